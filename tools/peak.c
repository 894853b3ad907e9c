/* The ceilings of the device that options ask for.
 * In: setup. Out: figures, printed. Must not know any one subcommand. */
#include "peak.h"

#include "json.h"

#include <stdio.h>

bool peak_measure(const struct setup *setup, esk_env *env, esk_device_peak *peak,
                  struct fault *fault) {
    esk_error error = ESK_ERROR_INIT;
    esk_session_options *options = NULL;

    if (!setup_options(setup, "GLCompute", &options, fault))
        return false;
    *peak = (esk_device_peak){.struct_size = sizeof(*peak)};
    if (esk_device_measure(env, options, peak, &error) != ESK_OK) {
        esk_session_options_destroy(options);
        return fault_take(fault, "the device's ceilings", &error);
    }
    esk_session_options_destroy(options);
    return true;
}

void peak_print(const esk_device_peak *peak) {
    printf("multiply-add  %7.1f GFLOP/s in registers (%d vec4 accumulators)\n"
           "copy          %7.2f GB/s, read and written\n"
           "dispatch      %7.2f us each, %.1f us a run of one\n",
           peak->gflops, peak->accumulators, peak->gbytes_per_s, peak->dispatch_us,
           peak->stage_us);
    if (peak->inline_dispatch_us > 0)
        printf("inline        %7.2f us each, on the calling thread\n",
               peak->inline_dispatch_us);
}

json_t *peak_tree(const esk_device_peak *peak) {
    json_t *tree = json_object();

    json_object_set_new(tree, "peak_gflops", json_decimal(peak->gflops, 2));
    json_object_set_new(tree, "accumulators", json_integer(peak->accumulators));
    json_object_set_new(tree, "copy_gbytes_per_s", json_decimal(peak->gbytes_per_s, 3));
    json_object_set_new(tree, "dispatch_us", json_decimal(peak->dispatch_us, 3));
    json_object_set_new(tree, "inline_dispatch_us",
                        json_decimal(peak->inline_dispatch_us, 3));
    json_object_set_new(tree, "stage_us", json_decimal(peak->stage_us, 3));
    return tree;
}
