/* feed LENGTH BYTES program args …: a log writer that gets so many bytes of lines of this length (newline included)
   through a pipe, as fast as it reads. Prints the wall time from its start to its end, its user and system time in
   microseconds, and its exit code.

   Every eighth line begins with "debug: ", the others with "info: ". */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 65536, LINES = 2048 };

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static double microseconds(struct timeval time) { return (double)time.tv_sec * 1e6 + (double)time.tv_usec; }

static void fill_line(char *line, size_t length, int number) {
  static const char text[] = "served /shop/basket to 192.0.2.77 within 13 ms, 4711 bytes, agent Mozilla; ";
  char head[32];
  int begun = snprintf(head, sizeof head, "%s %04d ", number % 8 == 7 ? "debug: entry" : "info: request", number);
  for (size_t i = 0; i < length - 1; i++)
    line[i] = i < (size_t)begun ? head[i] : text[(i - (size_t)begun) % (sizeof text - 1)];
  line[length - 1] = '\n';
}

/* The lines once, and their beginning again: a block can start anywhere in them. */
static char *prepare(size_t length) {
  size_t size = LINES * length;
  char *lines = malloc(size + BLOCK);
  if (!lines) exit(111);
  for (int i = 0; i < LINES; i++) fill_line(lines + (size_t)i * length, length, i);
  for (size_t i = 0; i < BLOCK; i++) lines[size + i] = lines[i % size];
  return lines;
}

static void write_lines(int fd, const char *lines, size_t length, size_t total) {
  size_t size = LINES * length, at = 0;
  while (total > 0) {
    ssize_t written = write(fd, lines + at, total < BLOCK ? total : BLOCK);
    if (written <= 0) exit(111);
    total -= (size_t)written;
    at = (at + (size_t)written) % size;
  }
}

int main(int argc, char **argv) {
  if (argc < 4) return 100;
  size_t length = strtoul(argv[1], NULL, 10), total = strtoul(argv[2], NULL, 10);
  if (length < 20) return 100;
  char *lines = prepare(length);
  total -= total % length;
  int ends[2];
  if (pipe(ends) < 0) return 111;
  signal(SIGPIPE, SIG_IGN);

  double start = now();
  pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* it does not outlive us */
    signal(SIGPIPE, SIG_DFL);
    dup2(ends[0], 0);
    close(ends[0]);
    close(ends[1]);
    execv(argv[3], argv + 3);
    _exit(111);
  }
  close(ends[0]);
  write_lines(ends[1], lines, length, total);
  close(ends[1]);
  int status = 0;
  struct rusage usage = {0};
  if (pid < 0 || wait4(pid, &status, 0, &usage) != pid) return 111;
  double end = now();
  printf("%.0f %.0f %.0f %d\n", end - start, microseconds(usage.ru_utime), microseconds(usage.ru_stime),
         WIFEXITED(status) ? WEXITSTATUS(status) : -1);
  return 0;
}
