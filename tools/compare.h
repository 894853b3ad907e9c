/* Does an output match what was expected?
 * In: two values and a tolerance. Out: a verdict with the worst element. Must not know
 * files of models or sessions. */
#ifndef ESKER_TOOLS_COMPARE_H
#define ESKER_TOOLS_COMPARE_H

#include "esker/tensor.h"
#include "fault.h"

/* An element passes if |a - b| <= atol + rtol * |b|. What is not given takes the type's
 * default: 1e-3 and 1e-5; for floats of 16 bits and less 2e-2 and 2e-3; integers are
 * exact unless atol is given (rtol never counts for them); booleans are always exact. */
struct tolerance {
    bool has_rtol, has_atol;
    double rtol, atol;
    bool rms; /* |b| counts as at least the expected output's root mean square */
};

struct comparison {
    bool pass;
    bool comparable;       /* type and shape agree */
    size_t wrong, count;   /* elements */
    double worst;          /* the largest |a - b| / tolerance; infinite for exact types */
    double max_difference; /* the largest |a - b| of any element */
    char text[512]; /* why not: "[3,4]: got 1.5, expected 1.4, …"; "" if it passes */
};

/* NaN equals NaN, an infinity its equal. */
void compare_values(const esk_value *got, const esk_value *expected,
                    const struct tolerance *tolerance, struct comparison *result);

/* Reads lines "rtol X", "atol X", "scale rms"; '#' begins a comment. */
bool tolerance_parse(const char *text, struct tolerance *tolerance, struct fault *fault);

#endif
