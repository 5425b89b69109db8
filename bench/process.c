/* Runs a command and prints what it took: milliseconds from its start to its end, and its largest resident memory in
 * KiB. What the command itself prints is dropped, but for errors.
 *
 * process COMMAND [ARG...] */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
    posix_spawn_file_actions_t files;
    struct rusage used;
    double began;
    pid_t child;
    int status, failed;

    if (argc < 2) {
        fputs("usage: process COMMAND [ARG...]\n", stderr);
        return 2;
    }
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    began = now_ms();
    failed = posix_spawnp(&child, argv[1], &files, NULL, argv + 1, environ);
    posix_spawn_file_actions_destroy(&files);
    if (failed) {
        fprintf(stderr, "process: %s: %s\n", argv[1], strerror(failed));
        return 1;
    }
    if (waitpid(child, &status, 0) != child || getrusage(RUSAGE_CHILDREN, &used))
        return 1;
    printf("%.3f %ld\n", now_ms() - began, used.ru_maxrss);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
