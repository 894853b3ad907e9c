/* Picture in, boxes of text lines out. PP-OCR's detector gives each pixel the probability
 * that it is in the core of a line; cores become rectangles, and these grow to boxes. */
#include "ocr.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define LONGEST   960.0f /* pixels a side: larger pictures are shrunk for detection */
#define LEAST     0.3f   /* probability that makes a pixel part of a core */
#define BOX_LEAST 0.5f   /* mean probability in a core's rectangle */
#define GROWTH    1.5f   /* a rectangle grows by this times its area / perimeter */
#define MARGIN    2.0f   /* pixels more, for strokes that end sharply */
#define THINNEST  3.0f   /* pixels: thinner cores are noise */
#define MOST      1000   /* boxes */
/* Pixels: the map lies so far right of and below the picture, as a picture turned by 180°
 * shows; the detector's upsampling does it. */
#define LATE 1.0f

/* Blue first, as the detector was trained. */
static const ocr_norm norm = {{0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}};

/* The nearest multiple of 32, at least 32: the detector halves its picture five times. */
static int round_side(float side) {
    int rounded = (int)(side / 32.0f + 0.5f) * 32;
    return rounded < 32 ? 32 : rounded;
}

/* The grown rectangle's corners, top left first, scaled to the picture. */
static ocr_box grow(const ocr_rectangle *r, float scale_x, float scale_y) {
    float a = r->half[0], b = r->half[1], more = GROWTH * a * b / (a + b) + MARGIN;
    ocr_point u = {r->along.x * (a + more), r->along.y * (a + more)};
    ocr_point v = {-r->along.y * (b + more), r->along.x * (b + more)};
    ocr_point p[4] = {{r->centre.x - u.x - v.x, r->centre.y - u.y - v.y},
                      {r->centre.x + u.x - v.x, r->centre.y + u.y - v.y},
                      {r->centre.x + u.x + v.x, r->centre.y + u.y + v.y},
                      {r->centre.x - u.x + v.x, r->centre.y - u.y + v.y}};
    int first = 0; /* `along` points right or down after this many quarter turns */
    while (first < 4) {
        float x = p[(first + 1) % 4].x - p[first].x,
              y = p[(first + 1) % 4].y - p[first].y;
        if (x > fabsf(y) || (x == fabsf(y) && x > 0))
            break;
        first++;
    }
    ocr_box box = {0};
    for (int i = 0; i < 4; i++) {
        ocr_point q = p[(first + i) % 4];
        box.corner[i] =
            (ocr_point){(q.x + 0.5f - LATE) * scale_x, (q.y + 0.5f - LATE) * scale_y};
    }
    return box;
}

static ocr_point centre(const ocr_box *box) {
    return (ocr_point){(box->corner[0].x + box->corner[2].x) / 2,
                       (box->corner[0].y + box->corner[2].y) / 2};
}

static float height(const ocr_box *box) {
    return hypotf(box->corner[3].x - box->corner[0].x,
                  box->corner[3].y - box->corner[0].y);
}

static int from_top(const void *a, const void *b) {
    float ya = centre(a).y, yb = centre(b).y;
    return (ya > yb) - (ya < yb);
}

/* Lines from top to bottom; boxes of one line, from left to right. */
static void sort_boxes(ocr_box *boxes, size_t count) {
    qsort(boxes, count, sizeof *boxes, from_top);
    for (size_t i = 1; i < count; i++) {
        for (size_t k = i; k > 0; k--) {
            ocr_box box = boxes[k];
            ocr_point p = centre(&boxes[k - 1]), q = centre(&box);
            float least = fminf(height(&boxes[k - 1]), height(&box));
            if (q.x >= p.x || fabsf(q.y - p.y) > least / 2)
                break;
            boxes[k] = boxes[k - 1];
            boxes[k - 1] = box;
        }
    }
}

esk_status ocr_detect(esk_session *det, const ocr_picture *picture, ocr_box **boxes,
                      size_t *count, esk_error *error) {
    float w = (float)picture->width, h = (float)picture->height;
    float shrink = fminf(LONGEST / fmaxf(w, h), 1.0f);
    int width = round_side(w * shrink), rows = round_side(h * shrink);
    ocr_point corner[4] = {{0, 0}, {w, 0}, {w, h}, {0, h}};
    ocr_rectangle found[MOST];
    ocr_box *result = NULL;
    size_t n, kept = 0;
    esk_value *map = NULL;
    esk_status status =
        ocr_run(det, picture, corner, width, width, rows, &norm, &map, error);
    if (status != ESK_OK)
        return status;
    if (esk_value_dtype(map) != ESK_FLOAT ||
        esk_value_count(map) != (int64_t)width * rows)
        status =
            ocr_fail(ESK_INVALID_MODEL, "the detector gives no %d × %d map", width, rows);
    else
        status = ocr_find_rectangles(esk_value_const_data(map), width, rows, LEAST, found,
                                     MOST, &n);
    esk_value_destroy(map);
    if (status != ESK_OK)
        return status;
    result = calloc(n + 1, sizeof *result);
    if (result == NULL)
        return ocr_fail(ESK_OUT_OF_MEMORY, "no memory for %zu boxes", n);
    for (size_t i = 0; i < n; i++)
        if (2 * fminf(found[i].half[0], found[i].half[1]) >= THINNEST &&
            found[i].score >= BOX_LEAST)
            result[kept++] = grow(&found[i], w / (float)width, h / (float)rows);
    sort_boxes(result, kept);
    *boxes = result;
    *count = kept;
    return ESK_OK;
}
