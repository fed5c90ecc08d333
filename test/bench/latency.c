/* latency CURRENT LINES MILLISECONDS program args …: a log writer that gets a line through a pipe every so many
   milliseconds. Prints for each line the microseconds from write(2) until the file CURRENT has grown by at least as
   much, one a line; then "idle PID", and nothing more happens until standard input ends. The first line is not counted:
   the log writer may still be starting. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const double patience = 20e6;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static void sleep_until(double moment) {
  struct timespec time = {(time_t)(moment / 1e6), 0};
  time.tv_nsec = (long)((moment - (double)time.tv_sec * 1e6) * 1e3);
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) != 0) {
  }
}

/* Keeps this process on the first of its processors, or on all others. */
static void stay(bool on_first) {
  cpu_set_t all, chosen;
  CPU_ZERO(&chosen);
  if (sched_getaffinity(0, sizeof all, &all) < 0 || CPU_COUNT(&all) < 2) return;
  bool is_first = true;
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET(cpu, &all)) continue;
    if (is_first == on_first) CPU_SET(cpu, &chosen);
    is_first = false;
  }
  sched_setaffinity(0, sizeof chosen, &chosen);
}

static int open_current(const char *path, double end) {
  for (;;) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) return fd;
    if (now() > end) exit(111);
    sleep_until(now() + 1000);
  }
}

static off_t size_of(int fd) {
  struct stat about;
  if (fstat(fd, &about) < 0) exit(111);
  return about.st_size;
}

/* Looks without a pause until the file has this size. */
static double await_size(int fd, off_t size) {
  double end = now() + patience;
  for (;;) {
    off_t found = size_of(fd);
    double moment = now();
    if (found >= size) return moment;
    if (moment > end) exit(111);
  }
}

int main(int argc, char **argv) {
  if (argc < 5) return 100;
  int lines = atoi(argv[2]);
  double every = atof(argv[3]) * 1e3;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return 111;
  pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* it does not outlive us */
    stay(false);
    dup2(ends[0], 0);
    execv(argv[4], argv + 4);
    _exit(111);
  }
  close(ends[0]);
  stay(true);
  int fd = open_current(argv[1], now() + patience);
  double next = now();
  for (int i = 0; i <= lines; i++, next += every) {
    char line[64];
    int length = snprintf(line, sizeof line, "info: request %08d served within 13 ms\n", i);
    sleep_until(next);
    off_t before = size_of(fd);
    double start = now();
    if (write(ends[1], line, (size_t)length) != length) return 111;
    double visible = await_size(fd, before + length);
    if (i > 0) printf("%.1f\n", visible - start);
    if (i == 0) next = visible;
  }
  printf("idle %d\n", pid);
  fflush(stdout);
  while (read(0, (char[64]){0}, 64) > 0) {
  }
  close(ends[1]);
  int status = 0;
  if (waitpid(pid, &status, 0) != pid) return 111;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 111;
}
