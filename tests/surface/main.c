/* The session surface: what docs/porting.md promises, one test or more each. */
#include "surface.h"
#include "table.h"

static const struct table_test tests[] = {
#define ROW(name) {#name, name}
    ROW(run_options_sizes),
    ROW(run_tag_is_in_the_error),
    ROW(terminate_before_a_run),
    ROW(terminate_in_flight),
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
    ROW(odd_outputs_on_the_device),
    ROW(host_needs_of_device_inputs),
    ROW(device_values_meet_the_host),
    ROW(an_output_by_callback),
    ROW(a_subset_of_outputs),
    ROW(a_value_on_two_screens),
    ROW(copies_by_the_queue),
#undef ROW
};

int main(int argc, char **argv) {
    return table_main(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
