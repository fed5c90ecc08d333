/* orphans COUNT: leaves so many processes to process 1, each of which ends at once. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
  long count = argc > 1 ? atol(argv[1]) : 0;
  for (long i = 0; i < count; i++) {
    pid_t pid = vfork();
    if (pid == 0) {
      if (vfork() == 0) _exit(0);
      _exit(0);
    }
    if (pid < 0 || waitpid(pid, NULL, 0) != pid) return 111;
  }
  printf("left %ld\n", count);
  return 0;
}
