/* What the parts of the OCR example share. The models are PP-OCR's: one finds lines of
 * text, one tells which are upside down, one reads them. */
#ifndef OCR_H
#define OCR_H

#include <esker/esker.h>

/* 8-bit RGB, rows from the top without padding. */
typedef struct ocr_picture {
    int width, height;
    uint8_t *rgb; /* owned */
} ocr_picture;

/* Pixels; (0, 0) is the outer corner of the top left pixel. */
typedef struct ocr_point {
    float x, y;
} ocr_point;

/* A line of text: its top left, top right, bottom right and bottom left corner, as read.
 */
typedef struct ocr_box {
    ocr_point corner[4];
    float confidence; /* of the reading, 0 to 1 */
    char *text;       /* owned, UTF-8; NULL until read */
} ocr_box;

/* What the recogniser's classes mean: 0 nothing, i the UTF-8 character at[i - 1], count +
 * 1 a space. */
typedef struct ocr_keys {
    char *text;            /* owned */
    char **at;             /* owned; pointers into text */
    size_t count, longest; /* longest: bytes of a character */
} ocr_keys;

/* A rectangle in a map: its centre, the direction of one side, half its sizes along and
 * across that, the mean probability in it. */
typedef struct ocr_rectangle {
    ocr_point centre, along;
    float half[2], score;
} ocr_rectangle;

/* How a model wants its pixels: (v / 255 - mean) / deviation, channels in the order blue,
 * green, red. */
typedef struct ocr_norm {
    float mean[3], deviation[3];
} ocr_norm;

/* What the command line says. */
typedef struct ocr_arguments {
    const char *det, *rec, *cls, *keys, *provider; /* cls: "" for none */
    const char *picture, *output;                  /* output may be NULL: none wanted */
    esk_session_options *options;                  /* owned: provider and --set */
    int device_id;
    bool verbose, help;
} ocr_arguments;

/* A failure inside Esker leaves its message in `error`; the example's own are printed. */

/* ---- arguments.c ---- */
extern const char ocr_usage[];
esk_status ocr_arguments_init(ocr_arguments *arguments, int argc, char **argv,
                              esk_error *error);
void ocr_arguments_finish(ocr_arguments *arguments);

/* ---- picture.c ---- */
esk_status ocr_picture_read(const char *path, ocr_picture *picture);
esk_status ocr_picture_write(const char *path, const ocr_picture *picture);
void ocr_picture_finish(ocr_picture *picture);
/* Draws the outline of a box in red. */
void ocr_picture_draw(ocr_picture *picture, const ocr_point corner[4]);
/* Resamples the parallelogram at `corner` into the first `used` columns of three planes
 * of height × width floats; the other columns are left as they are. */
void ocr_picture_sample(const ocr_picture *picture, const ocr_point corner[4], int used,
                        int width, int height, const ocr_norm *norm, float *planes);
/* Prints what failed; returns the status. */
esk_status ocr_fail(esk_status status, const char *format, ...);

/* ---- cores.c ---- */
/* Finds the regions of a map [height][width] above `least`, at most `room` of them. */
esk_status ocr_find_rectangles(const float *map, int width, int height, float least,
                               ocr_rectangle *rectangles, size_t room, size_t *count);

/* ---- detect.c ---- */
/* Finds lines of text; `boxes`, in reading order, are the caller's to free. */
esk_status ocr_detect(esk_session *det, const ocr_picture *picture, ocr_box **boxes,
                      size_t *count, esk_error *error);

/* ---- keys.c ---- */
/* The characters from the model's metadata, else from the file at `path`. */
esk_status ocr_keys_init(ocr_keys *keys, const esk_session *rec, const char *path);
void ocr_keys_finish(ocr_keys *keys);

/* ---- recognize.c ---- */
/* Runs a model on the part of the picture at `corner`, resampled into the first `used`
 * columns of a tensor [1, 3, height, width], the rest 0. The output is the caller's to
 * destroy. */
esk_status ocr_run(esk_session *model, const ocr_picture *picture,
                   const ocr_point corner[4], int used, int width, int height,
                   const ocr_norm *norm, esk_value **output, esk_error *error);
/* Turns the box upright and reads it. `cls` may be NULL: then nothing is upside down. */
esk_status ocr_recognize(esk_session *rec, esk_session *cls, const ocr_keys *keys,
                         const ocr_picture *picture, ocr_box *box, esk_error *error);

#endif
