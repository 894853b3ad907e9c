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
#undef ROW
};

int main(int argc, char **argv) {
    return table_main(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
