/* `esker`: the table of subcommands, --help and --version.
 * In: a command line. Out: an exit code. Must not know what a subcommand does. */
#include "args.h"
#include "commands.h"
#include "esker/esker.h"

#include <stdio.h>
#include <string.h>

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *about;
} commands[] = {
    {"bench", cmd_bench, "time models"},
    {"devices", cmd_devices, "list the devices that can run models"},
    {"info", cmd_info, "show what is in a model and where each node would run"},
    {"profile", cmd_profile, "show where the time of a model goes"},
    {"run", cmd_run, "run a model once or more and show its outputs"},
    {"test", cmd_test, "run folders of ONNX tests and compare the outputs"},
    {"tune", cmd_tune, "time the kernels that a model could take and keep the fastest"},
};
enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static void print_help(FILE *out) {
    fprintf(out, "usage: esker COMMAND [options]\n\n"
                 "Runs ONNX models on OpenGL ES 3.1 compute.\n\ncommands:\n");
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(out, "  %-22s%s\n", commands[i].name, commands[i].about);
    fprintf(out,
            "\noptions:\n"
            "  --help                this text; `esker COMMAND --help` for a command\n"
            "  --help-options        the keys of --set\n"
            "  --help-man            the manual page (roff)\n"
            "  --version             the version\n");
}

static void print_options(void) {
    const esk_option_info *option;

    printf("Options of sessions and providers, with type, values, default and scope:\n");
    for (size_t i = 0; (option = esk_option_at(i)); i++)
        printf("  %s\n      %s%s%s, default '%s', %s\n      %s\n", option->key,
               option->type, *option->values ? " " : "", option->values, option->fallback,
               option->scope, option->doc);
}

/* The manual page, all of it from the tables that --help prints. */
static int print_man(void) {
    printf(".TH ESKER 1 \"\" \"esker %s\"\n"
           ".SH NAME\nesker \\- run ONNX models on OpenGL ES 3.1 compute\n"
           ".SH SYNOPSIS\n.B esker\n.I command\n[options]\n"
           ".SH DESCRIPTION\n"
           "Runs, tests, times and explains ONNX models on GPUs and software renderers "
           "with\n"
           "OpenGL ES 3.1, and on the CPU where there is none.\n"
           ".SH COMMANDS\n",
           esk_version());
    for (size_t i = 0; i < COMMANDS; i++) {
        char name[32], man[] = ARGS_MAN, *argv[] = {name, man, NULL};

        snprintf(name, sizeof(name), "%s", commands[i].name);
        if (commands[i].run(2, argv))
            return 1;
    }
    printf(".SH OPTIONS OF SESSIONS AND PROVIDERS\nKeys of \\-\\-set:\n");
    for (size_t i = 0; esk_option_at(i); i++) {
        const esk_option_info *option = esk_option_at(i);

        printf(".TP\n.B %s\n%s%s%s, default '%s', %s: %s\n", option->key, option->type,
               *option->values ? " " : "", option->values, option->fallback,
               option->scope, option->doc);
    }
    printf(".SH EXIT STATUS\n0 on success, 1 on failure, 2 for a wrong command line.\n"
           ".SH ENVIRONMENT\ndocs/env.md of the sources lists the variables.\n");
    return 0;
}

static int report_unknown(const char *name) {
    const char *nearest = NULL;
    size_t best = (size_t)-1;

    for (size_t i = 0; i < COMMANDS; i++) {
        size_t distance = arg_distance(name, commands[i].name);

        if (distance < best) {
            best = distance;
            nearest = commands[i].name;
        }
    }
    fprintf(stderr, "esker: unknown command '%s'; the nearest is '%s'\n", name, nearest);
    return 2;
}

int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : NULL;

    if (!name) {
        print_help(stderr);
        return 2;
    }
    for (size_t i = 0; i < COMMANDS; i++)
        if (!strcmp(name, commands[i].name)) {
            int code = commands[i].run(argc - 1, argv + 1);

            if (fflush(stdout) || ferror(stdout)) {
                fprintf(stderr, "esker: standard output cannot be written\n");
                return code ? code : 1;
            }
            return code;
        }
    if (!strcmp(name, "--version")) {
        printf("esker %d.%d.%d, library %s\n", ESK_VERSION_MAJOR, ESK_VERSION_MINOR,
               ESK_VERSION_PATCH, esk_version());
        return 0;
    }
    if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help")) {
        print_help(stdout);
        return 0;
    }
    if (!strcmp(name, ARGS_MAN))
        return print_man();
    if (!strcmp(name, "--help-options")) {
        print_options();
        return 0;
    }
    return report_unknown(name);
}
