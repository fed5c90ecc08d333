/* become UID PROGRAM ARG...: what doas does, for the stories of services of another user. It is setuid root. */
#define _GNU_SOURCE
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
  if (argc < 3) return 100;
  uid_t id = (uid_t)atoi(argv[1]);
  if (id == 0) return 100;
  if (setgroups(0, NULL) || setresgid(id, id, id) || setresuid(id, id, id)) {
    perror("become");
    return 111;
  }
  execvp(argv[2], argv + 2);
  perror(argv[2]);
  return 111;
}
