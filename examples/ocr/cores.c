/* A map of probabilities in, rectangles around its bright regions ("cores") out.
 * Knows nothing of pictures or models. */
#include "ocr.h"

#include <math.h>
#include <stdlib.h>

typedef struct ocr_map {
    const float *at; /* borrowed; [height][width] */
    int width, height;
    float least;              /* a core's pixels are above it */
    char *seen;               /* [height * width] */
    int *stack;               /* [height * width] */
    int *left, *right;        /* [height]: the current core's extent in each row */
    ocr_point *points, *hull; /* [2 * height], [4 * height] */
} ocr_map;

/* Flood-fills the core whose first pixel is `start` and notes its rows' extents. Returns
 * its last row. */
static int fill_core(ocr_map *m, int start) {
    int depth = 0, last = start / m->width - 1;
    m->seen[start] = 1;
    m->stack[depth++] = start;
    while (depth > 0) {
        int at = m->stack[--depth], x = at % m->width, y = at / m->width;
        while (last < y) {
            m->left[++last] = m->width;
            m->right[last] = -1;
        }
        m->left[y] = x < m->left[y] ? x : m->left[y];
        m->right[y] = x > m->right[y] ? x : m->right[y];
        for (int k = 0; k < 9; k++) {
            int nx = x + k % 3 - 1, ny = y + k / 3 - 1, next = ny * m->width + nx;
            if (nx < 0 || ny < 0 || nx >= m->width || ny >= m->height || m->seen[next] ||
                m->at[next] <= m->least)
                continue;
            m->seen[next] = 1;
            m->stack[depth++] = next;
        }
    }
    return last;
}

/* Above 0 when a[0], a[1], b turn one way, below when they turn the other. */
static float turn(const ocr_point *a, ocr_point b) {
    return (a[1].x - a[0].x) * (b.y - a[0].y) - (a[1].y - a[0].y) * (b.x - a[0].x);
}

/* The convex hull of rows y0 to y1, by monotone chains; returns its number of points. */
static int find_hull(ocr_map *m, int y0, int y1) {
    int n = 0, k = 0;
    for (int y = y0; y <= y1; y++) {
        m->points[n++] = (ocr_point){(float)m->left[y], (float)y};
        m->points[n++] = (ocr_point){(float)m->right[y], (float)y};
    }
    for (int i = 0; i < n; m->hull[k++] = m->points[i++])
        while (k >= 2 && turn(m->hull + k - 2, m->points[i]) <= 0)
            k--;
    for (int i = n - 2, least = k + 1; i >= 0; m->hull[k++] = m->points[i--])
        while (k >= least && turn(m->hull + k - 2, m->points[i]) <= 0)
            k--;
    return k - 1;
}

/* The smallest rectangle around a hull of n points: one side lies on it. */
static ocr_rectangle find_rectangle(const ocr_point *hull, int n) {
    ocr_rectangle best = {.centre = hull[0], .along = {1, 0}};
    float best_area = INFINITY;
    for (int i = 0; i < n; i++) {
        ocr_point a = hull[i], b = hull[(i + 1) % n];
        float length = hypotf(b.x - a.x, b.y - a.y), low[2] = {0}, high[2] = {0};
        ocr_point u = {(b.x - a.x) / length, (b.y - a.y) / length};
        for (int j = 0; j < n && length > 0; j++) {
            float x = hull[j].x - a.x, y = hull[j].y - a.y;
            float t[2] = {x * u.x + y * u.y, y * u.x - x * u.y}; /* along, across */
            for (int c = 0; c < 2; c++) {
                low[c] = fminf(low[c], t[c]);
                high[c] = fmaxf(high[c], t[c]);
            }
        }
        float half[2] = {(high[0] - low[0]) / 2, (high[1] - low[1]) / 2};
        if (length > 0 && half[0] * half[1] < best_area) {
            float s = low[0] + half[0], t = low[1] + half[1];
            best_area = half[0] * half[1];
            best.centre = (ocr_point){a.x + s * u.x - t * u.y, a.y + s * u.y + t * u.x};
            best.along = u;
            best.half[0] = half[0];
            best.half[1] = half[1];
        }
    }
    return best;
}

/* The mean probability in a rectangle. */
static float find_score(const ocr_map *m, const ocr_rectangle *r) {
    float sum = 0, radius = hypotf(r->half[0], r->half[1]);
    int count = 0;
    int x0 = (int)fmaxf(r->centre.x - radius, 0),
        y0 = (int)fmaxf(r->centre.y - radius, 0);
    for (int y = y0; y < m->height && (float)y <= r->centre.y + radius; y++) {
        for (int x = x0; x < m->width && (float)x <= r->centre.x + radius; x++) {
            float dx = (float)x - r->centre.x, dy = (float)y - r->centre.y;
            if (fabsf(dx * r->along.x + dy * r->along.y) > r->half[0] + 0.01f ||
                fabsf(dy * r->along.x - dx * r->along.y) > r->half[1] + 0.01f)
                continue;
            sum += m->at[y * m->width + x];
            count++;
        }
    }
    return count > 0 ? sum / (float)count : 0;
}

esk_status ocr_find_rectangles(const float *map, int width, int height, float least,
                               ocr_rectangle *rectangles, size_t room, size_t *count) {
    size_t area = (size_t)width * (size_t)height, rows = (size_t)height;
    ocr_map m = {.at = map, .width = width, .height = height, .least = least};
    m.seen = calloc(area, 1);
    m.stack = malloc(area * sizeof *m.stack);
    m.left = malloc(rows * sizeof *m.left);
    m.right = malloc(rows * sizeof *m.right);
    m.points = malloc(2 * rows * sizeof *m.points);
    m.hull = malloc(4 * rows * sizeof *m.hull);
    bool ok = m.seen && m.stack && m.left && m.right && m.points && m.hull;
    *count = 0;
    for (size_t i = 0; ok && i < area && *count < room; i++) {
        if (m.seen[i] || map[i] <= least)
            continue;
        int last = fill_core(&m, (int)i);
        ocr_rectangle r = find_rectangle(m.hull, find_hull(&m, (int)i / width, last));
        r.score = find_score(&m, &r);
        rectangles[(*count)++] = r;
    }
    free(m.seen);
    free(m.stack);
    free(m.left);
    free(m.right);
    free(m.points);
    free(m.hull);
    return ok ? ESK_OK : ocr_fail(ESK_OUT_OF_MEMORY, "no memory for a map");
}
