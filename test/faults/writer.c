/*
 * A service for the tests of faults: takes a lock (who finds it taken writes its pid into `double`: there are two of
 * it), then writes numbered lines "PID NUMBER" to stdout, one write each, until TERM or until it has written enough.
 * At its end it adds "PID LINES" to the file COUNTS (of its environment).
 * Usage: writer LOCK DOUBLE PAUSE-IN-MICROSECONDS LINES-PER-PAUSE [LINES, 0: no end [MILLISECONDS TO LIVE ON]]
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t is_over;
static void end(int signal) { is_over = signal; }
static void ignore(int signal) { (void)signal; }

static void pause_for(long microseconds) {
  struct timespec t = {microseconds / 1000000, microseconds % 1000000 * 1000};
  while (!is_over && nanosleep(&t, &t) < 0 && errno == EINTR) {
  }
}

int main(int argc, char **argv) {
  if (argc < 5) return 100;
  struct sigaction action = {.sa_handler = end};
  sigaction(SIGTERM, &action, NULL);
  action.sa_handler = ignore;
  for (int i = 0; i < 5; i++) sigaction((int[]){SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2}[i], &action, NULL);

  char line[64];
  int lock = open(argv[1], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) < 0) {
    int fd = open(argv[2], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    int n = snprintf(line, sizeof line, "%d\n", getpid());
    if (write(fd, line, (size_t)n) < 0) return 1;
    close(fd);
  }
  long pause = atol(argv[3]), together = atol(argv[4]), most = argc > 5 ? atol(argv[5]) : 0;
  long number = 1;
  for (; !is_over && (most == 0 || number <= most); number++) {
    int n = snprintf(line, sizeof line, "%d %ld\n", getpid(), number);
    while (write(1, line, (size_t)n) < 0)
      if (errno != EINTR) return 2;
    if (number % together == 0) pause_for(pause);
  }
  if (getenv("COUNTS")) {
    int fd = open(getenv("COUNTS"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    int n = snprintf(line, sizeof line, "%d %ld\n", getpid(), number - 1);
    if (write(fd, line, (size_t)n) < 0) return 1;
    close(fd);
  }
  pause_for(argc > 6 ? atol(argv[6]) * 1000 : 0);
  return 0;
}
