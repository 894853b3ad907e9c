/* Growing text, numbers in text, errors. */
#include "base/error.h"
#include "base/text.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

Test(text, grows) {
    struct esk_text text = {0};
    cr_assert_str_eq(esk_text_str(&text), "");
    for (int i = 0; i < 100; i++)
        esk_text_add(&text, "%d,", i);
    cr_assert_not(text.failed);
    cr_assert_eq(text.length, 290);
    cr_assert_eq(strncmp(esk_text_str(&text), "0,1,2,", 6), 0);
    esk_text_clear(&text);
    cr_assert_str_eq(esk_text_str(&text), "");
    esk_text_finish(&text);
}

Test(text, prints_dims) {
    struct esk_text text = {0};
    esk_text_dims(&text, 3, (const long long[]){2, -1, 5});
    cr_assert_str_eq(esk_text_str(&text), "[2,?,5]");
    esk_text_finish(&text);
}

Test(text, measures_distance) {
    cr_assert_eq(esk_text_distance("allowSoftware", "allowsoftware"), 0);
    cr_assert_eq(esk_text_distance("deviceId", "deviceld"), 1);
    cr_assert_eq(esk_text_distance("", "abc"), 3);
}

Test(text, reads_numbers) {
    long long i;
    double f;
    cr_assert(esk_text_to_int("-12", &i) && i == -12);
    cr_assert_not(esk_text_to_int("12x", &i));
    cr_assert_not(esk_text_to_int("", &i));
    cr_assert_not(esk_text_to_int("99999999999999999999", &i));
    cr_assert(esk_text_to_float("0.5", &f) && f == 0.5);
    cr_assert_not(esk_text_to_float("", &f));
}

Test(error, keeps_the_last_and_takes_prefixes) {
    esk_error error = ESK_ERROR_INIT, other = ESK_ERROR_INIT;
    cr_assert_eq(esk_fail(&error, ESK_IO, "file %d", 1), ESK_IO);
    cr_assert_eq(esk_fail(&error, ESK_NOT_FOUND, "file %d", 2), ESK_NOT_FOUND);
    esk_error_prefix(&error, "graph '%s'", "main");
    cr_assert_str_eq(esk_error_message(&error), "graph 'main': file 2");
    cr_assert_eq(error.status, ESK_NOT_FOUND);
    esk_error_move(&other, &error);
    cr_assert_eq(error.status, ESK_OK);
    cr_assert_str_eq(esk_error_message(&other), "graph 'main': file 2");
    esk_error_clear(&other);
    cr_assert_eq(esk_fail(NULL, ESK_IO, "nobody listens"), ESK_IO);
}
