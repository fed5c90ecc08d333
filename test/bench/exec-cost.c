/* exec-cost program args …: what the program spends on its way to executing another one. Prints the instructions it
   carries out (in user mode, the dynamic linker's among them), the system calls it makes, and written and resident
   memory (KiB) at the moment of the exec. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

/* Stopped at the beginning of the program. */
static pid_t begin(char **argv) {
  pid_t pid = fork();
  if (pid == 0) {
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    execv(argv[0], argv);
    _exit(111);
  }
  int status;
  if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status)) exit(111);
  ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)(PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL));
  return pid;
}

static long kilobytes(pid_t pid, const char *field) {
  char path[64], line[256];
  long sum = 0, value;
  snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
  FILE *file = fopen(path, "r");
  while (file && fgets(line, sizeof line, file))
    if (!strncmp(line, field, strlen(field)) && sscanf(strchr(line, ':') + 1, "%ld", &value) == 1) sum += value;
  if (file) fclose(file);
  return sum;
}

int main(int argc, char **argv) {
  int status;
  if (argc < 2) return 100;

  long instructions = 0;
  pid_t pid = begin(argv + 1);
  for (;; instructions++) {
    ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
    if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status)) return 111;
    if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8)) break;
  }
  kill(pid, SIGKILL);
  waitpid(pid, &status, 0);

  long calls = 0, written = -1, resident = -1;
  pid = begin(argv + 1);
  for (int entering = 1;; entering = !entering) {
    ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
    if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status)) return 111;
    if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8)) break;
    struct user_regs_struct registers;
    ptrace(PTRACE_GETREGS, pid, NULL, &registers);
    calls += entering;
    if (!entering || registers.orig_rax != SYS_execve) continue;
    written = kilobytes(pid, "Private_Dirty");
    resident = kilobytes(pid, "Rss");
  }
  kill(pid, SIGKILL);
  waitpid(pid, &status, 0);
  printf("%ld %ld %ld %ld\n", instructions, calls, written, resident);
  return 0;
}
