/* The command `unet train` from outside: killed, interrupted, and with a disk that fills up, at random moments.
 * Whatever happens, going on gives the model file of the run that nothing happened to, bit for bit. UNET_COMMAND: path
 * of unet. UNET_KILLS: runs to kill (8); UNET_KILL_SEED: of the moments (1). */
#define _GNU_SOURCE
#include "small_data.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/size.h"
#include "base/text.h"
#include "train/checkpoint.h"
#include "train/runlog.h"

enum { STEPS = 12, WORDS_MAX = 24, TRIES_MAX = 200 };

static unet_error err;
static un_rng moments;

/* A run of the command: where it works, and what it told last. */
typedef struct run {
    char folder[300], model[320], log[340], checkpoint[360], told[4000];
    int code; /* exit code, or minus the signal it died of */
} run;

/* What all runs are compared with; made once. */
static run whole;
static double whole_seconds; /* of a run with the scan of the pictures in the cache */
static char data[300];

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int64_t number_from(const char *variable, int64_t otherwise)
{
    const char *text = getenv(variable);
    int64_t n;

    return text && un_parse_int64(text, &n) && n > 0 ? n : otherwise;
}

static void open_run(run *r)
{
    memset(r, 0, sizeof *r);
    snprintf(r->folder, sizeof r->folder, "%s", un_test_tmp());
    snprintf(r->model, sizeof r->model, "%s/m.safetensors", r->folder);
    snprintf(r->log, sizeof r->log, "%s.run/log.csv", r->model);
    snprintf(r->checkpoint, sizeof r->checkpoint, "%s.run/%s", r->model, UN_CHECKPOINT_FILE);
}

/* Starts unet train, or goes on with it; what it tells goes to a file beside the model. */
static pid_t start(const run *r)
{
    static const char *const keys[] = {"model.base_filters=3", "model.depth=2", "train.patch=[32, 32]", "train.batch=2",
        "train.steps=12", "train.val_interval=4", "train.select_share=0.3", "train.checkpoint=0"};
    const char *word[WORDS_MAX] = {getenv("UNET_COMMAND"), "train", data, "-o", r->model, "--threads"};
    char threads[16], told[320];
    size_t n = 6;
    pid_t child;

    snprintf(threads, sizeof threads, "%d", (int)un_rng_below(&moments, 3) + 1);
    snprintf(told, sizeof told, "%s/told", r->folder);
    word[n++] = threads;
    if (un_path_exists(r->checkpoint))
        word[n++] = "--resume";
    else
        for (size_t i = 0; i < UN_COUNT(keys); i++)
            word[n++] = keys[i];
    child = fork();
    if (child == 0) {
        const int fd = open(told, O_WRONLY | O_CREAT | O_TRUNC, 0666);

        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
        execv(word[0], (char *const *)(uintptr_t)word);
        _exit(127);
    }
    CHECK(child > 0);
    return child;
}

static int exit_code(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void await(run *r, pid_t child)
{
    char told[320];
    unsigned char *text;
    size_t n;
    int status;

    CHECK_INT(waitpid(child, &status, 0), child);
    r->code = exit_code(status);
    snprintf(told, sizeof told, "%s/told", r->folder);
    CHECK_OK(un_file_read(&text, &n, NULL, told, 1 << 20, &err), &err);
    snprintf(r->told, sizeof r->told, "%s", (char *)text);
    un_free(text);
}

static void wait_seconds(double seconds)
{
    const struct timespec t = {(time_t)seconds, (long)((seconds - floor(seconds)) * 1e9)};

    nanosleep(&t, NULL);
}

static double random_moment(void)
{
    return whole_seconds * un_rng_uniform(&moments);
}

/* Waits until the run has logged so many lines, or has ended. */
static void await_steps(const run *r, pid_t child, int64_t steps)
{
    siginfo_t ended = {0};
    int64_t lines = 0;

    while (lines <= steps && !waitid(P_PID, (id_t)child, &ended, WEXITED | WNOHANG | WNOWAIT) && !ended.si_pid) {
        unsigned char *text;
        size_t n;

        wait_seconds(0.004);
        if (un_file_read(&text, &n, NULL, r->log, 1 << 20, &err))
            continue;
        lines = 0;
        for (size_t i = 0; i < n; i++)
            lines += text[i] == '\n';
        un_free(text);
    }
}

static void same_model(const run *r)
{
    unsigned char *x, *y;
    size_t n, m;

    CHECK_OK(un_file_read(&x, &n, NULL, r->model, 1 << 24, &err), &err);
    CHECK_OK(un_file_read(&y, &m, NULL, whole.model, 1 << 24, &err), &err);
    CHECK_INT(n, m);
    CHECK(!memcmp(x, y, n));
    un_free(x);
    un_free(y);
}

/* The log without its last two columns, seconds and waiting. */
static char *log_of(const run *r)
{
    unsigned char *text;
    char *to, *line;
    size_t n;

    CHECK_OK(un_file_read(&text, &n, NULL, r->log, 1 << 20, &err), &err);
    to = line = (char *)text;
    for (char *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        const char *stop = end;

        for (int commas = 0; commas < 2; commas += *--stop == ',')
            CHECK(stop > line);
        memmove(to, line, (size_t)(stop - line));
        to += stop - line;
        *to++ = '\n';
    }
    *to = 0;
    return (char *)text;
}

static void nothing_hidden(const char *folder)
{
    DIR *d = opendir(folder);
    struct dirent *e;

    CHECK(d);
    while ((e = readdir(d)) != NULL)
        if (e->d_name[0] == '.' && strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            un_test_fail(__FILE__, __LINE__, "%s/%s was left behind", folder, e->d_name);
    closedir(d);
}

/* The finished run is the whole one: model, log, and nothing half-written. */
static void compare(const run *r)
{
    char path[500], *a = log_of(r), *b = log_of(&whole);

    same_model(r);
    CHECK_STR(a, b);
    un_free(a);
    un_free(b);
    nothing_hidden(r->folder);
    snprintf(path, sizeof path, "%s.run", r->model);
    nothing_hidden(path);
    snprintf(path, sizeof path, "%s.run/previews", r->model);
    nothing_hidden(path);
}

/* Goes on until the run ends by itself. */
static void finish(run *r)
{
    await(r, start(r));
    if (r->code)
        un_test_fail(__FILE__, __LINE__, "exit code %d: %s", r->code, r->told);
    compare(r);
}

/* Makes the pictures and the whole run; the second of them, with a warm cache, gives the time. */
static void prepare(void)
{
    double began;
    run again;

    if (!getenv("UNET_COMMAND"))
        un_test_skip("UNET_COMMAND, the path of unet, is not set");
    if (whole_seconds > 0)
        return;
    un_rng_init(&moments, (uint64_t)number_from("UNET_KILL_SEED", 1), UN_RNG_TEST, 0, 0, 0);
    snprintf(data, sizeof data, "%s/data", un_test_tmp());
    small_data_make(data, 9, 40, 2);
    open_run(&whole);
    await(&whole, start(&whole));
    if (whole.code)
        un_test_fail(__FILE__, __LINE__, "exit code %d: %s", whole.code, whole.told);
    open_run(&again);
    began = now();
    finish(&again);
    whole_seconds = now() - began;
}

/* A model file is there whole or not at all. */
static void check_pieces(const run *r)
{
    un_checkpoint c;

    if (un_path_exists(r->model))
        same_model(r);
    if (un_path_exists(r->checkpoint)) {
        CHECK_OK(un_checkpoint_open(&c, NULL, r->checkpoint, &err), &err);
        un_checkpoint_close(&c);
    }
}

/* Stops a run with the signal at random moments until it ends. Returns how often. */
static int stop_until_done(run *r, int signal_number, int code)
{
    int stops = 0;

    open_run(r);
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        const pid_t child = start(r);

        wait_seconds(random_moment());
        kill(child, signal_number);
        await(r, child);
        if (r->code == 0)
            return stops;
        if (r->code != code && r->code != -signal_number)
            un_test_fail(__FILE__, __LINE__, "exit code %d: %s", r->code, r->told);
        stops++;
        check_pieces(r);
    }
    un_test_fail(__FILE__, __LINE__, "not done after %d stops", stops);
}

TEST(killed)
{
    const int64_t runs = number_from("UNET_KILLS", 8);
    int64_t kills = 0, equal = 0;

    prepare();
    while (equal < runs) {
        run r;
        const int n = stop_until_done(&r, SIGKILL, -SIGKILL);

        compare(&r);
        kills += n;
        equal += n > 0; /* a run that ended before the first kill shows nothing */
    }
    un_test_note("%lld of %lld runs, killed %lld times in all, end with the model of the run that was not killed",
        (long long)equal, (long long)runs, (long long)kills);
}

TEST(interrupted)
{
    prepare();
    for (int round = 0; round < 3; round++) {
        run r;

        stop_until_done(&r, round % 2 ? SIGTERM : SIGINT, 130);
        compare(&r);
    }
}

/* Ctrl-C in the course of the training: what it says is true. */
TEST(interrupted_says_how_to_go_on)
{
    run r;
    pid_t child;
    un_checkpoint c;
    char step[64];

    prepare();
    open_run(&r);
    child = start(&r);
    await_steps(&r, child, 3);
    kill(child, SIGINT);
    await(&r, child);
    CHECK_INT(r.code, 130);
    CHECK(strstr(r.told, "stopping at the next safe place") && strstr(r.told, "--resume") && !un_path_exists(r.model));
    CHECK_OK(un_checkpoint_open(&c, NULL, r.checkpoint, &err), &err);
    snprintf(step, sizeof step, "stopped after step %d of %d", (int)c.state.step, STEPS);
    un_checkpoint_close(&c);
    CHECK(strstr(r.told, step));
    finish(&r);
}

/* The disk fills up in mid-run: an error that names the file, and what was there before is there still. */
TEST(full_disk)
{
    static const char *const bytes[] = {"0", "40", "3000", "60000"};
    int failed = 0;

    prepare();
    for (size_t i = 0; i < UN_COUNT(bytes); i++) {
        char budget[400], variable[500];
        run r;
        pid_t child;

        open_run(&r);
        snprintf(budget, sizeof budget, "%s/budget", un_test_tmp());
        snprintf(variable, sizeof variable, "@%s", budget);
        setenv("UNET_TEST_DISK_BYTES", variable, 1);
        child = start(&r);
        await_steps(&r, child, 1 + un_rng_below(&moments, 8));
        CHECK_OK(un_file_append(budget, bytes[i], strlen(bytes[i]), &err), &err);
        await(&r, child);
        unsetenv("UNET_TEST_DISK_BYTES");
        if (r.code) {
            CHECK_INT(r.code, 4);
            CHECK(strstr(r.told, "m.safetensors") && strstr(r.told, "No space left on device"));
            failed++;
        }
        check_pieces(&r);
        finish(&r);
    }
    CHECK(failed > 0);
    un_test_note("%d of %d runs met the full disk", failed, (int)UN_COUNT(bytes));
}
