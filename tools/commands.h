/* The subcommands of `esker`. Each takes its own argv (argv[0] is its name) and returns
 * the exit code: 0 only on success, 1 on failure, 2 for a wrong command line. */
#ifndef ESKER_TOOLS_COMMANDS_H
#define ESKER_TOOLS_COMMANDS_H

int cmd_devices(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_test(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_profile(int argc, char **argv);
int cmd_tune(int argc, char **argv);

#endif
