/* Tests of the session surface, by file. */
#ifndef ESKER_TESTS_SURFACE_H
#define ESKER_TESTS_SURFACE_H

#include "scene.h"

#include <string.h>

/* run.c: run options */
bool run_options_sizes(struct scene *s);
bool run_tag_is_in_the_error(struct scene *s);
bool run_tag_is_in_logs_and_traces(struct scene *s);
bool terminate_before_a_run(struct scene *s);
bool terminate_in_flight(struct scene *s);
bool warm_up_leaves_nothing_to_do(struct scene *s);

/* queue.c: runs by the queue, threads */
bool async_runs_give_the_same(struct scene *s);
bool async_argument_errors_come_at_once(struct scene *s);
bool destroy_while_runs_are_queued(struct scene *s);
bool threads_times_sessions(struct scene *s);
bool a_host_that_forks(struct scene *s);
bool handles_wait_as_long_as_told(struct scene *s);
bool an_env_waits_for_its_sessions(struct scene *s);
/* profile.c */
bool profile_of_a_run(struct scene *s);
bool profile_on_the_cpu(struct scene *s);
bool profile_of_a_session(struct scene *s);
bool traces_of_sessions(struct scene *s);
bool report_of_a_profile(struct scene *s);
bool peak_of_a_device(struct scene *s);

/* binding.c: values on devices, bindings */
bool device_values_hold_every_type(struct scene *s);
bool device_value_errors(struct scene *s);
bool bound_runs_transfer_nothing(struct scene *s);
bool sessions_of_a_device_share_values(struct scene *s);
bool a_cache_grows_on_the_device(struct scene *s);
bool decoder_steps_copy_little(struct scene *s);
bool decoder_steps_copy_ids_and_logits(struct scene *s);
bool a_mask_stays_on_the_host(struct scene *s);
bool odd_outputs_on_the_device(struct scene *s);
bool host_needs_of_device_inputs(struct scene *s);
bool an_index_on_the_device(struct scene *s);
bool device_values_meet_the_host(struct scene *s);
bool an_output_by_callback(struct scene *s);
bool a_subset_of_outputs(struct scene *s);
bool a_value_on_two_screens(struct scene *s);
bool copies_by_the_queue(struct scene *s);

/* values.c: bindings and values over time */
bool bindings_follow_shapes(struct scene *s);
bool bindings_can_be_cleared(struct scene *s);
bool outputs_by_name(struct scene *s);
bool values_of_another_device(struct scene *s);
bool copies_stand_in_the_queue(struct scene *s);
bool copies_end_with_their_session(struct scene *s);

/* capture.c: capture and replay */
bool replay_equals_a_run(struct scene *s);
bool replays_allocate_nothing(struct scene *s);
bool what_changed_is_an_error(struct scene *s);
bool replay_sees_new_content(struct scene *s);
bool replay_after_an_output_was_taken(struct scene *s);
bool what_else_changed_is_an_error(struct scene *s);
bool only_what_was_asked_for_is_captured(struct scene *s);
bool replay_sees_late_parameters(struct scene *s);
bool capture_lists_every_reason(struct scene *s);

/* options.c: options of sessions */
bool every_value_of_every_option(struct scene *s);
bool wrong_values_are_refused(struct scene *s);
bool layouts_are_as_preferred(struct scene *s);
bool a_log_of_its_own(struct scene *s);
bool overrides_of_free_dimensions(struct scene *s);
bool rotary_tables_of_two_parts(struct scene *s);
bool int64_off_goes_to_the_cpu(struct scene *s);
bool threads_of_the_blas(struct scene *s);
bool lines_of_a_log(struct scene *s);
bool options_of_a_provider_call(struct scene *s);
bool plans_kept(struct scene *s);
bool programs_are_kept_in_a_folder(struct scene *s);
bool a_binding_too_small_is_a_reason(struct scene *s);

/* places.c: where nodes run */
bool placement_says_where_and_why(struct scene *s);
bool placement_knows_the_models_nodes(struct scene *s);
bool forced_nodes_run_on_the_cpu(struct scene *s);
bool device_settings_are_followed(struct scene *s);
bool values_begin_as_zeros(struct scene *s);

/* optimizers.c: passes and levels */
bool each_optimizer_can_be_left_out(struct scene *s);
bool a_known_branch_is_inlined_at_all_levels(struct scene *s);

/* weights.c: given as memory, shared */
bool external_data_from_memory(struct scene *s);
bool initializers_from_memory(struct scene *s);
bool initializers_of_a_built_model(struct scene *s);
bool wrong_initializers_are_refused(struct scene *s);
bool what_is_shared_goes_with_its_sessions(struct scene *s);
bool sessions_of_a_model_share_weights(struct scene *s);
bool sessions_of_a_file_share_weights(struct scene *s);
bool external_data_on_disk_is_shared(struct scene *s);
bool given_memory_is_shared(struct scene *s);
bool other_sources_are_not_shared(struct scene *s);
bool folded_weights_are_shared(struct scene *s);

/* validate.c: validationMode full */
bool nan_is_named_where_it_is_made(struct scene *s);
bool nan_is_let_through_elsewhere(struct scene *s);
bool shapes_that_are_not_as_declared(struct scene *s);

/* kv_cache.c: attention's caches in few bits */
bool kept_caches_are_near(struct scene *s);
bool kept_caches_are_captured(struct scene *s);
bool caches_that_cannot_be_kept(struct scene *s);

/* caches.c: buffer caches */
bool cache_modes(struct scene *s);
bool query_cache_modes(struct scene *s);
bool caches_of_steady_runs(struct scene *s);

/* share.c: a caller's own GL context */
bool buffers_of_a_callers_context(struct scene *s);
bool shapes_in_a_callers_buffer(struct scene *s);

#endif
