/* Mutated model files through `esker run`: bit flips, cuts, splices, bytes that begin
 * long numbers; in each second round the file's framing stays whole. In: the tool, a
 * count, a seed, model files. Out: counts, and each file that made the tool crash, hang
 * or trip a sanitizer, kept. Accepted: exit 0, or 1 with a message. */
#include "args.h"
#include "tensor_io.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SANITIZER_CODE = 99 };

struct file {
    unsigned char *bytes; /* owned */
    size_t size;
};

struct fuzz {
    const char *tool, *provider;
    char folder[256];
    int64_t count, seed, timeout_s;
    bool sanitized;     /* the address space cannot be limited */
    struct file *files; /* owned */
    size_t n_files, ran, refused, failed;
};

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t next(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Somewhere in the file; half of the time near its ends, where few weights are. */
static size_t place(const struct file *file, uint64_t *state) {
    size_t near = file->size < 2048 ? file->size : 2048;

    switch (next(state) % 4) {
    case 0:
        return next(state) % near;
    case 1:
        return file->size - 1 - next(state) % near;
    default:
        return next(state) % file->size;
    }
}

/* ---- mutants that keep the file's framing, to get past the wire walk ---- */

/* Positions of bytes that may change: payloads of numbers, and leaves. */
struct spots {
    size_t at[4096];
    bool number[4096]; /* its high bit says whether the number goes on */
    size_t count;
};

static bool varint(const struct file *file, size_t *at, size_t end, uint64_t *value) {
    *value = 0;
    for (int shift = 0; shift < 64 && *at < end; shift += 7) {
        unsigned char byte = file->bytes[(*at)++];

        *value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return true;
    }
    return false;
}

static void add_spot(struct spots *spots, size_t at, bool number) {
    size_t most = sizeof(spots->at) / sizeof(spots->at[0]);

    if (spots->count < most) {
        spots->at[spots->count] = at;
        spots->number[spots->count++] = number;
    }
}

/* Walks a message; false (and nothing added) when the bytes are none. */
static bool walk(const struct file *file, size_t at, size_t end, int depth,
                 struct spots *spots) {
    size_t before = spots->count;

    while (at < end) {
        uint64_t tag, value;
        size_t start;

        if (!varint(file, &at, end, &tag) || !(tag >> 3) || tag >> 3 > 1000)
            break;
        start = at;
        if ((tag & 7) == 5 || (tag & 7) == 1) {
            at += (tag & 7) == 5 ? 4 : 8;
            if (at > end)
                break;
            add_spot(spots, start + 3, false);
        } else if ((tag & 7) == 0) {
            if (!varint(file, &at, end, &value))
                break;
            add_spot(spots, start, true);
        } else if ((tag & 7) == 2) {
            if (!varint(file, &at, end, &value) || value > end - at)
                break;
            if (!depth || !walk(file, at, at + value, depth - 1, spots))
                for (size_t i = 0; i < value && i < 8; i++)
                    add_spot(spots, at + i, false);
            at += value;
        } else {
            break;
        }
    }
    if (at != end)
        spots->count = before;
    return at == end;
}

static void mutate_framed(struct file *file, uint64_t *state) {
    static struct spots spots;

    spots.count = 0;
    if (!walk(file, 0, file->size, 16, &spots) || !spots.count)
        return;
    for (size_t n = 1 + next(state) % 3; n; n--) {
        size_t i = next(state) % spots.count;

        file->bytes[spots.at[i]] ^=
            (unsigned char)(1u << next(state) % (spots.number[i] ? 7 : 8));
    }
}

/* Changes the copy in place; `room` is what may be used beyond its size. */
static void mutate_once(struct file *file, size_t room, uint64_t *state) {
    size_t at = place(file, state), n = 1 + next(state) % 16;

    if (n > file->size - at)
        n = file->size - at;
    switch (next(state) % 12) {
    case 0: /* cut */
        file->size = at + 1;
        break;
    case 1: /* bytes of a long number, or a long length */
        memset(file->bytes + at, 0xff, n < 9 ? n : 9);
        break;
    case 2: /* zeros */
        memset(file->bytes + at, 0, n);
        break;
    case 3: /* noise */
        for (size_t i = 0; i < n; i++)
            file->bytes[at + i] = (unsigned char)next(state);
        break;
    case 4: /* a block is gone */
        memmove(file->bytes + at, file->bytes + at + n, file->size - at - n);
        file->size -= file->size > n ? n : 0;
        break;
    case 5: /* a block is there twice */
        if (n > room)
            break;
        memmove(file->bytes + at + n, file->bytes + at, file->size - at);
        file->size += n;
        break;
    default:
        for (size_t i = 0; i < 1 + n / 4; i++)
            file->bytes[place(file, state)] ^= (unsigned char)(1u << next(state) % 8);
    }
}

static bool write_mutant(const struct fuzz *fuzz, int64_t index, const char *path,
                         struct fault *fault) {
    enum { ROOM = 256 };
    uint64_t state = (uint64_t)fuzz->seed * 1000003u + (uint64_t)index;
    const struct file *model = &fuzz->files[(size_t)index % fuzz->n_files];
    struct file copy = {malloc(model->size + ROOM), model->size};
    size_t times = 1 + (next(&state) % 4 == 0);
    FILE *out = fopen(path, "wb");
    bool done;

    if (!copy.bytes || !out) {
        free(copy.bytes);
        if (out)
            fclose(out);
        return fault_set(fault, "%s: %s", path, strerror(errno));
    }
    memcpy(copy.bytes, model->bytes, model->size);
    if (index / (int64_t)fuzz->n_files % 2)
        mutate_framed(&copy, &state);
    else
        for (size_t i = 0; i < times && copy.size; i++)
            mutate_once(&copy, model->size + ROOM - copy.size, &state);
    done = fwrite(copy.bytes, 1, copy.size, out) == copy.size;
    done = !fclose(out) && done;
    free(copy.bytes);
    return done || fault_set(fault, "%s: %s", path, strerror(errno));
}

static void limit(enum __rlimit_resource what, rlim_t value) {
    setrlimit(what, &(struct rlimit){value, value});
}

/* In the child: never returns. */
static void become_tool(const struct fuzz *fuzz, const char *model,
                        const char *messages) {
    int fd = open(messages, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    int null = open("/dev/null", O_RDWR);

    dup2(null, 0);
    dup2(null, 1);
    dup2(fd, 2);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_CPU, (rlim_t)fuzz->timeout_s * 4);
    if (!fuzz->sanitized)
        limit(RLIMIT_AS, (rlim_t)6 << 30);
    execl(fuzz->tool, "esker", "run", model, "--provider", fuzz->provider, (char *)NULL);
    _exit(127);
}

/* The child's status; false when it took too long and was killed. */
static bool wait_for(pid_t pid, double seconds, int *status) {
    for (double waited = 0; waited < seconds; waited += 0.005) {
        pid_t done = waitpid(pid, status, WNOHANG);

        if (done == pid)
            return true;
        nanosleep(&(struct timespec){0, 5000000}, NULL);
    }
    kill(pid, SIGKILL);
    waitpid(pid, status, 0);
    return false;
}

static bool holds_report(const char *text, size_t size) {
    return memmem(text, size, "Sanitizer", 9) || memmem(text, size, "runtime error:", 14);
}

/* Why the outcome is not accepted; NULL if it is. */
static const char *judge(struct fuzz *fuzz, bool ended, int status, const char *text,
                         size_t size) {
    if (!ended)
        return "it took too long";
    if (WIFSIGNALED(status))
        return strsignal(WTERMSIG(status));
    if (holds_report(text, size) || WEXITSTATUS(status) == SANITIZER_CODE)
        return "a sanitizer complains";
    if (WEXITSTATUS(status) == 0) {
        fuzz->ran++;
        return NULL;
    }
    if (WEXITSTATUS(status) != 1)
        return "an exit code that is neither 0 nor 1";
    if (!size)
        return "it failed without a message";
    fuzz->refused++;
    return NULL;
}

static bool run_one(struct fuzz *fuzz, int64_t index, struct fault *fault) {
    char model[512], messages[512];
    const char *why;
    void *text;
    size_t size;
    int status = 0;
    bool ended;
    pid_t pid;

    snprintf(model, sizeof(model), "%s/%lld.onnx", fuzz->folder, (long long)index);
    snprintf(messages, sizeof(messages), "%s/messages", fuzz->folder);
    if (!write_mutant(fuzz, index, model, fault))
        return false;
    fflush(NULL);
    pid = fork();
    if (!pid)
        become_tool(fuzz, model, messages);
    if (pid < 0)
        return fault_set(fault, "fork: %s", strerror(errno));
    ended = wait_for(pid, (double)fuzz->timeout_s, &status);
    if (!file_read(messages, &text, &size, fault))
        return false;
    why = judge(fuzz, ended, status, text, size);
    if (why) {
        fuzz->failed++;
        printf("FAIL mutant %lld (%s --provider %s): %s\n%.*s\n", (long long)index, model,
               fuzz->provider, why, size > 3000 ? 3000 : (int)size, (const char *)text);
        fflush(stdout);
    } else {
        unlink(model);
    }
    free(text);
    unlink(messages);
    return true;
}

static bool load_files(struct fuzz *fuzz, const struct arg_list *paths,
                       struct fault *fault) {
    fuzz->files = calloc(paths->count + 1, sizeof(*fuzz->files));
    if (!fuzz->files)
        return fault_set(fault, "out of memory");
    for (size_t i = 0; i < paths->count; i++) {
        struct file *file = &fuzz->files[fuzz->n_files];
        void *bytes;

        if (!file_read(paths->items[i], &bytes, &file->size, fault))
            return false;
        file->bytes = bytes;
        if (file->size)
            fuzz->n_files++;
        else
            free(bytes);
    }
    return fuzz->n_files || fault_set(fault, "no model to change");
}

int main(int argc, char **argv) {
    struct fuzz fuzz = {.provider = "CPU", .count = 200, .seed = 1, .timeout_s = 20};
    struct arg_list models = {0};
    struct fault fault;
    const struct arg_spec specs[] = {
        {"tool", ARG_TEXT, &fuzz.tool, "FILE", "the tool `esker`", 0, 0, NULL},
        {"provider", ARG_TEXT, &fuzz.provider, "P", "its provider (CPU)", 0, 0, NULL},
        {"count", ARG_INT, &fuzz.count, "N", "mutants (200)", 1, 1000000, NULL},
        {"seed", ARG_INT, &fuzz.seed, "N", "of all chance (1)", 0, 1000000000, NULL},
        {"timeout", ARG_INT, &fuzz.timeout_s, "S", "for one mutant (20)", 1, 3600, NULL},
        {"sanitized", ARG_FLAG, &fuzz.sanitized, NULL, "the tool has sanitizers", 0, 0,
         NULL},
    };
    const struct arg_table table = {
        .usage = "fuzz --tool FILE MODEL... [options]",
        .about = "Runs mutated models through `esker run`.",
        .specs = specs,
        .spec_count = sizeof(specs) / sizeof(specs[0]),
        .min_texts = 1,
        .max_texts = 1000,
        .texts = "MODEL",
    };
    enum arg_result parsed = args_parse(&table, argc, argv, &models, stdout, stderr);
    bool done = parsed == ARGS_RUN;

    if (!done)
        return parsed == ARGS_HELP ? 0 : 2;
    snprintf(fuzz.folder, sizeof(fuzz.folder), "%s/esker-fuzz-XXXXXX",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    if (!fuzz.tool || access(fuzz.tool, X_OK) || !mkdtemp(fuzz.folder))
        done = fault_set(&fault, "no tool '%s', or no folder for files",
                         fuzz.tool ? fuzz.tool : "");
    done = done && load_files(&fuzz, &models, &fault);
    for (int64_t i = 0; done && i < fuzz.count; i++)
        done = run_one(&fuzz, i, &fault);
    for (size_t i = 0; i < fuzz.n_files; i++)
        free(fuzz.files[i].bytes);
    free(fuzz.files);
    arg_list_finish(&models);
    if (!done)
        return fault_report(&fault);
    if (!fuzz.failed)
        rmdir(fuzz.folder);
    printf("%lld mutants of %zu models: %zu ran, %zu refused, %zu failed\n",
           (long long)fuzz.count, fuzz.n_files, fuzz.ran, fuzz.refused, fuzz.failed);
    return fuzz.failed ? 1 : 0;
}
