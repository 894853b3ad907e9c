/* The session surface: what docs/porting.md promises, one test or more each. */
#include "surface.h"
#include "table.h"

static const struct table_test tests[] = {
#define ROW(name) {#name, name}
    ROW(run_options_sizes),
    ROW(run_tag_is_in_the_error),
    ROW(terminate_before_a_run),
    ROW(terminate_in_flight),
    ROW(warm_up_leaves_nothing_to_do),
    ROW(async_runs_give_the_same),
    ROW(async_argument_errors_come_at_once),
    ROW(destroy_while_runs_are_queued),
    ROW(threads_times_sessions),
    ROW(profile_of_a_run),
    ROW(profile_on_the_cpu),
    ROW(profile_of_a_session),
    ROW(report_of_a_profile),
    ROW(peak_of_a_device),
    ROW(device_values_hold_every_type),
    ROW(device_value_errors),
    ROW(bound_runs_transfer_nothing),
    ROW(sessions_of_a_device_share_values),
    ROW(a_cache_grows_on_the_device),
    ROW(decoder_steps_copy_little),
    ROW(odd_outputs_on_the_device),
    ROW(host_needs_of_device_inputs),
    ROW(device_values_meet_the_host),
    ROW(an_output_by_callback),
    ROW(a_subset_of_outputs),
    ROW(a_value_on_two_screens),
    ROW(copies_by_the_queue),
    ROW(cache_modes),
    ROW(caches_of_steady_runs),
    ROW(replay_equals_a_run),
    ROW(replays_allocate_nothing),
    ROW(what_changed_is_an_error),
    ROW(replay_sees_new_content),
    ROW(capture_lists_every_reason),
    ROW(every_value_of_every_option),
    ROW(wrong_values_are_refused),
    ROW(a_log_of_its_own),
    ROW(overrides_of_free_dimensions),
    ROW(int64_off_goes_to_the_cpu),
    ROW(external_data_from_memory),
    ROW(initializers_from_memory),
    ROW(initializers_of_a_built_model),
    ROW(wrong_initializers_are_refused),
    ROW(sessions_of_a_model_share_weights),
    ROW(sessions_of_a_file_share_weights),
    ROW(external_data_on_disk_is_shared),
    ROW(given_memory_is_shared),
    ROW(folded_weights_are_shared),
    ROW(threads_of_the_blas),
    ROW(a_binding_too_small_is_a_reason),
    ROW(buffers_of_a_callers_context),
#undef ROW
};

int main(int argc, char **argv) {
    return table_main(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
