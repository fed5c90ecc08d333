/* beat: writes when it began (nanoseconds of the monotonic clock) and its pid into the file `beats` of its working
 * directory, and waits. */
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

int main(void) {
  struct timespec t;
  int fd = open("beats", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  clock_gettime(CLOCK_MONOTONIC, &t);
  dprintf(fd, "%lld %d\n", (long long)t.tv_sec * 1000000000 + t.tv_nsec, (int)getpid());
  close(fd);
  for (;;) pause();
}
