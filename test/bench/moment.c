/* moment: writes into the file `moments` of its working directory when it began (nanoseconds of the monotonic clock),
 * and, a tenth of a second after a TERM, when it ended. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static void note(int fd, const char *what) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  dprintf(fd, "%s %lld\n", what, (long long)t.tv_sec * 1000000000 + t.tv_nsec);
}

int main(void) {
  struct timespec tenth = {0, 100000000};
  sigset_t term;
  int signal, fd = open("moments", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  sigprocmask(SIG_BLOCK, &term, NULL);
  note(fd, "begin");
  sigwait(&term, &signal);
  nanosleep(&tenth, NULL);
  note(fd, "end");
  return 0;
}
