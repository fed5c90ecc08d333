/*
 * namespace ROOT SIGNAL [FROM:TO...] -- PROGRAM [ARG...]: runs a program as process 1 of a PID namespace, below a root
 * directory with these mounts in it. Says when that began, its pid, when the signal was sent (for each line that comes
 * on standard input, once), when and how it ended. All times in nanoseconds of the monotonic clock.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (long long)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void fail(const char *doing) {
  perror(doing);
  exit(111);
}

int main(int argc, char **argv) {
  char path[4096], byte;
  int i, status;
  if (argc < 5) return 100;
  const char *root = argv[1];
  int signal = atoi(argv[2]);
  if (unshare(CLONE_NEWPID | CLONE_NEWNS) < 0) fail("unshare");
  if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) fail("mount");
  for (i = 3; i < argc && strcmp(argv[i], "--"); i++) {
    char *to = strchr(argv[i], ':');
    if (!to) return 100;
    *to++ = 0;
    snprintf(path, sizeof path, "%s%s", root, to);
    if (mount(argv[i], path, NULL, MS_BIND, NULL) < 0) fail(path);
  }
  pid_t pid = fork();
  if (pid < 0) fail("fork");
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    snprintf(path, sizeof path, "%s/proc", root);
    if (mount("proc", path, "proc", 0, NULL) < 0) fail("proc");
    int nowhere = open("/dev/null", O_RDWR);
    if (chroot(root) < 0 || chdir("/") < 0) fail("chroot");
    setsid();
    dup2(nowhere, 0);
    dprintf(1, "begin %lld\n", now());
    dup2(nowhere, 1);
    dup2(nowhere, 2);
    close(nowhere);
    execv(argv[i + 1], argv + i + 1);
    _exit(127);
  }
  dprintf(1, "pid %d\n", pid);
  if (read(0, &byte, 1) == 1) {
    dprintf(1, "told %lld\n", now());
    kill(pid, signal);
  }
  if (waitpid(pid, &status, 0) < 0) fail("waitpid");
  dprintf(1, "end %lld %d\n", now(), WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  return 0;
}
