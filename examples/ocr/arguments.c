/* The command line of the example. */
#include "ocr.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MODELS ".cache/models/" /* where tools/setup puts them */

const char ocr_usage[] =
    "usage: ocr [options] PICTURE.png\n"
    "  --det FILE            PP-OCR's detector (" MODELS "det.onnx)\n"
    "  --rec FILE            its recogniser (" MODELS "rec.onnx)\n"
    "  --cls FILE            its angle classifier (" MODELS "cls.onnx); '' for none\n"
    "  --keys FILE           characters, one a line, for a recogniser that does not "
    "name\n"
    "                        them itself (" MODELS "keys.txt)\n"
    "  --provider NAME       GLCompute (the default) or CPU\n"
    "  --set KEY=VALUE       an option of the session or provider; may be repeated\n"
    "  --output FILE.png     writes the picture with the boxes drawn\n"
    "  --verbose             prints the log, the corners of the boxes and the time "
    "taken\n";

/* Passes KEY=VALUE on to the sessions; notes which device was asked for. */
static esk_status set_option(ocr_arguments *arguments, const char *text,
                             esk_error *error) {
    const char *equals = strchr(text, '=');
    if (equals == NULL)
        return ocr_fail(ESK_INVALID_ARGUMENT, "--set %s: no KEY=VALUE", text);
    char *key = strndup(text, (size_t)(equals - text));
    if (key == NULL)
        return ocr_fail(ESK_OUT_OF_MEMORY, "no memory for an option");
    if (strcmp(key, "deviceId") == 0)
        arguments->device_id = atoi(equals + 1);
    esk_status status =
        esk_session_options_set(arguments->options, key, equals + 1, error);
    free(key);
    return status;
}

esk_status ocr_arguments_init(ocr_arguments *arguments, int argc, char **argv,
                              esk_error *error) {
    enum { DET, REC, CLS, KEYS, PROVIDER, OUTPUT, SET, VERBOSE, HELP };
    static const struct option names[] = {
        {"det", 1, NULL, DET},           {"rec", 1, NULL, REC},
        {"cls", 1, NULL, CLS},           {"keys", 1, NULL, KEYS},
        {"provider", 1, NULL, PROVIDER}, {"output", 1, NULL, OUTPUT},
        {"set", 1, NULL, SET},           {"verbose", 0, NULL, VERBOSE},
        {"help", 0, NULL, HELP},         {NULL, 0, NULL, 0}};
    ocr_arguments result = {.det = MODELS "det.onnx",
                            .rec = MODELS "rec.onnx",
                            .cls = MODELS "cls.onnx",
                            .keys = MODELS "keys.txt",
                            .provider = "GLCompute"};
    const char **text[] = {&result.det,  &result.rec,      &result.cls,
                           &result.keys, &result.provider, &result.output};
    esk_status status = esk_session_options_create(&result.options, error);
    for (int c;
         status == ESK_OK && (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        if (c >= DET && c <= OUTPUT)
            *text[c] = optarg;
        else if (c == SET)
            status = set_option(&result, optarg, error);
        else if (c == VERBOSE)
            result.verbose = true;
        else if (c == HELP)
            result.help = true;
        else /* getopt_long has said what is wrong */
            status = ocr_fail(ESK_INVALID_ARGUMENT, "try ocr --help");
    }
    if (status == ESK_OK && !result.help && optind + 1 != argc)
        status = ocr_fail(ESK_INVALID_ARGUMENT, "one picture, please: try ocr --help");
    if (status == ESK_OK)
        status = esk_session_options_append_provider(result.options, result.provider,
                                                     NULL, NULL, 0, error);
    if (status != ESK_OK) {
        ocr_arguments_finish(&result);
        return status;
    }
    result.picture = argv[optind];
    *arguments = result;
    return ESK_OK;
}

void ocr_arguments_finish(ocr_arguments *arguments) {
    esk_session_options_destroy(arguments->options);
    *arguments = (ocr_arguments){0};
}
