/* stopwatch program args …: runs it with its output thrown away; prints wall, user and system time in microseconds,
   and its exit code. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

int main(int argc, char **argv) {
  if (argc < 2) return 100;
  double start = now();
  pid_t pid = vfork();
  if (pid == 0) {
    int null = open("/dev/null", O_RDWR);
    dup2(null, 1);
    dup2(null, 2);
    execv(argv[1], argv + 1);
    _exit(111);
  }
  int status = 0;
  struct rusage usage = {0};
  if (pid < 0 || wait4(pid, &status, 0, &usage) != pid) return 111;
  double end = now();
  printf("%.0f %.0f %.0f %d\n", end - start, (double)usage.ru_utime.tv_sec * 1e6 + (double)usage.ru_utime.tv_usec,
         (double)usage.ru_stime.tv_sec * 1e6 + (double)usage.ru_stime.tv_usec,
         WIFEXITED(status) ? WEXITSTATUS(status) : -1);
  return 0;
}
