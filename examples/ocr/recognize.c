/* A box in, its text out: PP-OCR's classifier says whether a line is upside down, its
 * recogniser gives for each step along the line the probability of each character. */
#include "ocr.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HEIGHT    48   /* pixels: both models read lines of this height */
#define CLS_WIDTH 192  /* pixels that the classifier sees */
#define CLS_LEAST 0.9f /* probability that turns a line round */
#define STEP      32   /* the recogniser's widths are multiples of it: few shapes occur */
#define WIDEST    3200 /* pixels; longer lines are squeezed */
#define TALL      1.5f /* a box that much taller than wide is a line turned by 90° */

static const ocr_norm norm = {{0.5f, 0.5f, 0.5f}, {0.5f, 0.5f, 0.5f}};

esk_status ocr_run(esk_session *model, const ocr_picture *picture,
                   const ocr_point corner[4], int used, int width, int height,
                   const ocr_norm *how, esk_value **output, esk_error *error) {
    esk_value *input = NULL, *result = NULL;
    int64_t dims[4] = {1, 3, height, width};
    if (esk_session_input_count(model) != 1 || esk_session_output_count(model) != 1)
        return ocr_fail(ESK_INVALID_MODEL, "no model with one input and one output");
    esk_status status = esk_value_create(ESK_FLOAT, 4, dims, &input, error);
    if (status != ESK_OK)
        return status;
    ocr_picture_sample(picture, corner, used, width, height, how, esk_value_data(input));
    status = esk_session_run(model, NULL, &esk_session_input(model, 0)->name, &input, 1,
                             &esk_session_output(model, 0)->name, &result, 1, error);
    esk_value_destroy(input);
    if (status == ESK_OK)
        *output = result;
    return status;
}

/* Makes corner `first` the top left one: the line is read from there. */
static void turn_box(ocr_box *box, int first) {
    ocr_point old[4];
    memcpy(old, box->corner, sizeof old);
    for (int i = 0; i < 4; i++)
        box->corner[i] = old[(i + first) % 4];
}

/* Pixels along the line when it is HEIGHT high. */
static int line_width(const ocr_box *box, int widest) {
    const ocr_point *p = box->corner;
    float along = hypotf(p[1].x - p[0].x, p[1].y - p[0].y);
    float across = hypotf(p[3].x - p[0].x, p[3].y - p[0].y);
    float width = ceilf(HEIGHT * along / fmaxf(across, 1.0f));
    return width < 1.0f ? 1 : width < (float)widest ? (int)width : widest;
}

/* Turns the box by 180° when the classifier is sure enough. */
static esk_status turn_upright(esk_session *cls, const ocr_picture *picture, ocr_box *box,
                               esk_error *error) {
    esk_value *scores = NULL;
    esk_status status = ocr_run(cls, picture, box->corner, line_width(box, CLS_WIDTH),
                                CLS_WIDTH, HEIGHT, &norm, &scores, error);
    if (status != ESK_OK)
        return status;
    if (esk_value_dtype(scores) != ESK_FLOAT || esk_value_count(scores) != 2)
        status = ocr_fail(ESK_INVALID_MODEL, "the classifier gives no two scores");
    else if (((const float *)esk_value_const_data(scores))[1] > CLS_LEAST)
        turn_box(box, 2);
    esk_value_destroy(scores);
    return status;
}

/* Takes the likeliest class of each step, drops repeats and then "nothing" (greedy CTC),
 * and spaces around the line. steps: [n][classes]; box->text has room. */
static void decode(const float *steps, int64_t n, int64_t classes, const ocr_keys *keys,
                   ocr_box *box) {
    float sum = 0;
    int characters = 0;
    char *end = box->text;
    for (int64_t i = 0, last = 0; i < n; i++, steps += classes) {
        int64_t best = 0;
        for (int64_t c = 1; c < classes; c++)
            best = steps[c] > steps[best] ? c : best;
        if (best != 0 && best != last) { /* the class after the last key is the space */
            const char *key = best <= (int64_t)keys->count ? keys->at[best - 1] : " ";
            if (end > box->text || strcmp(key, " ") != 0)
                end = stpcpy(end, key);
            sum += steps[best];
            characters++;
        }
        last = best;
    }
    while (end > box->text && end[-1] == ' ')
        *--end = 0;
    box->confidence = characters > 0 ? sum / (float)characters : 0;
}

esk_status ocr_recognize(esk_session *rec, esk_session *cls, const ocr_keys *keys,
                         const ocr_picture *picture, ocr_box *box, esk_error *error) {
    if (HEIGHT > TALL * (float)line_width(box, WIDEST)) /* taller than wide */
        turn_box(box, 1);
    esk_status status = cls != NULL ? turn_upright(cls, picture, box, error) : ESK_OK;
    if (status != ESK_OK)
        return status;

    int used = line_width(box, WIDEST), width = (used + STEP - 1) / STEP * STEP;
    esk_value *steps = NULL;
    status =
        ocr_run(rec, picture, box->corner, used, width, HEIGHT, &norm, &steps, error);
    if (status != ESK_OK)
        return status;
    const int64_t *dims = esk_value_dims(steps); /* [1, steps, classes] */
    if (esk_value_dtype(steps) != ESK_FLOAT || esk_value_rank(steps) != 3 ||
        dims[0] != 1 || dims[2] < (int64_t)keys->count + 1 ||
        dims[2] > (int64_t)keys->count + 2) {
        status =
            ocr_fail(ESK_INVALID_MODEL,
                     "the recogniser's output does not fit %zu characters", keys->count);
    } else {
        box->text = calloc((size_t)dims[1] + 1, keys->longest + 1);
        if (box->text == NULL)
            status = ocr_fail(ESK_OUT_OF_MEMORY, "no memory for a line");
        else
            decode(esk_value_const_data(steps), dims[1], dims[2], keys, box);
    }
    esk_value_destroy(steps);
    return status;
}
