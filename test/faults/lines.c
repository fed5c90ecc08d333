/*
 * Numbered lines for the test of lost lines: who writes them and ends their log writer at random moments, and who
 * counts what has become of them.
 *
 * lines print COUNT LONGEST
 *   writes the lines 1 to COUNT to stdout.
 * lines drive SEED COUNT LONGEST PIECE SIGNALS NAMES program args …
 *   holds a pipe open at both ends, starts the program on its read end, has the lines written into the other in pieces
 * of up to PIECE bytes, and sends so many signals, each one of NAMES (letters: K KILL, T TERM, H HUP, A ALRM) at a
 * random moment. A program that has ended is started again at once. At last the pipe ends, and the program with it.
 *   Prints what happened; exits 1 if the program does not come to its end.
 * lines check COUNT LONGEST STAMP DROPPED DIRECTORY
 *   reads the files of a log directory in the order of their names, `.s` through gzip -d, then `current`. Prints
 *   "lines missing doubled torn misplaced unwanted", and below which numbers are missing or doubled, and what is torn.
 * STAMP bytes in front of each line are a date; lines whose number is a multiple of DROPPED (0: none) are not to be
 * there.
 *
 * A line is a number of eight digits, a space, a letter that says what remains of the number divided by seven, and up
 * to LONGEST letters more; length and letters follow from the number.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { HEAD = 10, LONGEST = 100000, BUFFER = 1 << 17 };

static void fail(const char *what) {
  fprintf(stderr, "lines: %s: %s\n", what, strerror(errno));
  exit(111);
}

/* ── lines ── */

static uint32_t scramble(uint32_t x) {
  x = (x ^ (x >> 16)) * 0x45d9f3bU;
  x = (x ^ (x >> 16)) * 0x45d9f3bU;
  return x ^ (x >> 16);
}

/* Writes the line of a number, newline included, and answers its length. */
static size_t make_line(char *line, uint32_t number, uint32_t longest) {
  uint32_t state = scramble(number), rest = number;
  for (int i = 7; i >= 0; i--, rest /= 10) line[i] = (char)('0' + rest % 10);
  line[8] = ' ';
  line[9] = (char)('a' + number % 7);
  size_t length = HEAD + state % (longest + 1);
  for (size_t i = HEAD; i < length; i++) {
    state = state * 1664525U + 1013904223U;
    line[i] = (char)('a' + (state >> 24) % 26);
  }
  line[length++] = '\n';
  return length;
}

static int print_lines(uint32_t count, uint32_t longest) {
  static char line[HEAD + LONGEST + 1];
  for (uint32_t number = 1; number <= count; number++) fwrite(line, make_line(line, number, longest), 1, stdout);
  return fflush(stdout) == 0 ? 0 : 111;
}

/* ── the writer ── */

/* What the writer and the one that sends signals know together. */
static volatile uint32_t *written_lines;

static uint64_t random_state;
static uint32_t draw(uint32_t below) {
  random_state = random_state * 6364136223846793005U + 1442695040888963407U;
  return (uint32_t)((random_state >> 33) % below);
}

static void sleep_microseconds(uint32_t microseconds) {
  struct timespec time = {microseconds / 1000000, (long)(microseconds % 1000000) * 1000};
  while (nanosleep(&time, &time) < 0 && errno == EINTR) {
  }
}

static void write_all(int fd, const char *from, size_t length) {
  while (length > 0) {
    ssize_t written = write(fd, from, length);
    if (written < 0 && errno != EINTR) fail("write");
    if (written > 0) from += written, length -= (size_t)written;
  }
}

/* In pieces, and now and then not for a while: the log writer is met at work and waiting. */
static void write_lines(int fd, uint32_t count, uint32_t longest, uint32_t piece) {
  static char buffer[BUFFER + HEAD + LONGEST + 1];
  size_t filled = 0, pauses_after = 0;
  for (uint32_t number = 1; number <= count; number++) {
    filled += make_line(buffer + filled, number, longest);
    if (filled < BUFFER && number < count) continue;
    for (size_t at = 0; at < filled;) {
      size_t length = 1 + draw(piece);
      if (length > filled - at) length = filled - at;
      write_all(fd, buffer + at, length);
      at += length;
      /* Nearly right is good enough: this only spreads the signals. */
      *written_lines = number - (uint32_t)((filled - at) / (HEAD + longest / 2));
      if (pauses_after < length) {
        sleep_microseconds(draw(2000));
        pauses_after = draw(2 * 65536);
      } else pauses_after -= length;
    }
    filled = 0;
  }
}

/* ── the one that sends signals ── */

struct drive {
  uint32_t count, longest, piece, signals;
  const char *names;
  char **program;
  int ends[2];
};

/* A life of the program: its end may have been asked for. */
struct life {
  pid_t pid;
  bool was_ended;
};

static struct { uint32_t kills, terms, hups, alarms, lives, early_ends; } happened;

/* A child that does not outlive us. */
static pid_t start_child(void) {
  pid_t pid = fork();
  if (pid < 0) fail("fork");
  if (pid == 0) prctl(PR_SET_PDEATHSIG, SIGKILL);
  return pid;
}

static pid_t start_writer(const struct drive *drive) {
  pid_t pid = start_child();
  if (pid > 0) return pid;
  close(drive->ends[0]);
  write_lines(drive->ends[1], drive->count, drive->longest, drive->piece);
  _exit(0);
}

static struct life start_program(const struct drive *drive) {
  pid_t pid = start_child();
  if (pid == 0) {
    dup2(drive->ends[0], 0);
    execv(drive->program[0], drive->program);
    fail(drive->program[0]);
  }
  happened.lives++;
  return (struct life){pid, false};
}

/* Whether a child has ended. */
static bool has_ended(pid_t pid, int *status, bool is_awaited) {
  pid_t found = waitpid(pid, status, is_awaited ? 0 : WNOHANG);
  if (found < 0) fail("waitpid");
  return found == pid;
}

static void send_signal(struct life *life, char name) {
  int number = 0;
  switch (name) {
  case 'K': number = SIGKILL, happened.kills++; break;
  case 'T': number = SIGTERM, happened.terms++; break;
  case 'H': number = SIGHUP, happened.hups++; break;
  case 'A': number = SIGALRM, happened.alarms++; break;
  default: errno = EINVAL, fail("signal");
  }
  if (name == 'K' || name == 'T') life->was_ended = true;
  kill(life->pid, number);
}

static int compare_numbers(const void *left, const void *right) {
  uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
  return a < b ? -1 : a > b;
}

/* After how many lines each signal comes. */
static uint32_t *choose_moments(uint32_t signals, uint32_t count) {
  uint32_t *moments = calloc(signals + 1, sizeof *moments);
  if (!moments) fail("memory");
  for (uint32_t i = 0; i < signals; i++) moments[i] = draw(count);
  qsort(moments, signals, sizeof *moments, compare_numbers);
  return moments;
}

enum { MOST_EARLY_ENDS = 2000 };

/* An end that was not asked for: HUP and ALRM end a program that has only just been started, and one that finds no log
   directory free gives up. Whoever supervises it starts it again. */
static void note_end(const struct life *life, int status) {
  if (life->was_ended) return;
  if (WIFEXITED(status)) fprintf(stderr, "lines: the program exits %d\n", WEXITSTATUS(status));
  else fprintf(stderr, "lines: the program is ended by signal %d\n", WTERMSIG(status));
  if (++happened.early_ends > MOST_EARLY_ENDS) exit(1);
}

/* The pipe has ended, and nothing is sent any more: sooner or later the program exits 0 of itself. */
static void await_end(const struct drive *drive, struct life life) {
  for (;;) {
    int status = 0;
    if (waitpid(life.pid, &status, 0) != life.pid) fail("waitpid");
    if (!life.was_ended && WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
    note_end(&life, status);
    sleep_microseconds(1000);
    life = start_program(drive);
  }
}

static int drive(struct drive *drive) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  written_lines = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (written_lines == MAP_FAILED || pipe2(drive->ends, O_CLOEXEC) < 0) fail("pipe");
  uint32_t *moments = choose_moments(drive->signals, drive->count);
  pid_t writer = start_writer(drive);
  random_state += 0x9e3779b97f4a7c15U; /* its numbers are its own */
  bool is_writing = true, is_killed = false;
  struct life life = start_program(drive);
  for (uint32_t sent = 0; sent < drive->signals || is_writing;) {
    int status = 0;
    if (is_writing && has_ended(writer, &status, false)) {
      if (status != 0) fail("the writer");
      is_writing = false;
      close(drive->ends[1]);
    }
    if (has_ended(life.pid, &status, is_killed)) {
      note_end(&life, status);
      life = start_program(drive);
      is_killed = false;
    }
    if (sent < drive->signals && (!is_writing || *written_lines >= moments[sent])) {
      sleep_microseconds(draw(1000));
      /* It may have ended meanwhile, but it has not been waited for: the pid is still its own. */
      char name = drive->names[draw((uint32_t)strlen(drive->names))];
      send_signal(&life, name);
      is_killed = name == 'K';
      sent++;
    } else sleep_microseconds(50);
  }
  await_end(drive, life);
  int left = 0;
  if (ioctl(drive->ends[0], FIONREAD, &left) < 0) fail("pipe");
  printf("%u KILL, %u TERM, %u HUP, %u ALRM, %u lives, %u early ends, %d bytes left\n", happened.kills, happened.terms,
         happened.hups, happened.alarms, happened.lives, happened.early_ends, left);
  return left == 0 ? 0 : 1;
}

/* ── the one that counts ── */

struct check {
  uint32_t count, longest, stamp, dropped;
  uint8_t *seen; /* how often, by number; not more than 255 times */
  uint32_t greatest, lines, doubled, torn, misplaced, unwanted;
  char first_torn[120];
  char
      *begun; /* a line that does not end with its file: svlogd rotates in the midst of one that is longer than `len` */
  size_t begun_length;
};

/* YYYY-MM-DD_HH:MM:SS.xxxxx and a space. */
static bool is_stamp(const char *text) {
  static const char form[] = "0000-00-00_00:00:00.00000 ";
  for (size_t i = 0; form[i]; i++)
    if (form[i] == '0' ? !isdigit((unsigned char)text[i]) : text[i] != form[i]) return false;
  return true;
}

static bool is_expected(const struct check *check, uint32_t number) {
  return check->dropped == 0 || number % check->dropped != 0;
}

static void note_torn(struct check *check, const char *line, size_t length) {
  if (check->torn++ == 0) snprintf(check->first_torn, sizeof check->first_torn, "%.*s", (int)length, line);
}

static void check_line(struct check *check, const char *line, size_t length) {
  static char expected[HEAD + LONGEST + 1];
  check->lines++;
  if (length < check->stamp + HEAD + 1 || (check->stamp > 0 && !is_stamp(line))) {
    note_torn(check, line, length);
    return;
  }
  line += check->stamp, length -= check->stamp;
  uint32_t number = 0;
  for (int i = 0; i < 8; i++) number = number * 10 + (uint32_t)(line[i] - '0');
  if (number < 1 || number > check->count || make_line(expected, number, check->longest) != length ||
      memcmp(line, expected, length) != 0) {
    note_torn(check, line, length);
    return;
  }
  if (!is_expected(check, number)) check->unwanted++;
  else if (check->seen[number]) check->doubled++;
  else if (number < check->greatest) check->misplaced++;
  if (check->seen[number] < UINT8_MAX) check->seen[number]++;
  if (number > check->greatest) check->greatest = number;
}

/* The lines of a file; a line that goes on in the next file has been put aside. */
static void check_stream(struct check *check, FILE *stream) {
  char *line = NULL;
  size_t room = 0;
  ssize_t length;
  while ((length = getline(&line, &room, stream)) > 0) {
    bool is_whole = line[length - 1] == '\n';
    if (is_whole && check->begun_length == 0) {
      check_line(check, line, (size_t)length);
      continue;
    }
    check->begun = realloc(check->begun, check->begun_length + (size_t)length);
    if (!check->begun) fail("memory");
    memcpy(check->begun + check->begun_length, line, (size_t)length);
    check->begun_length += (size_t)length;
    if (!is_whole) continue;
    check_line(check, check->begun, check->begun_length);
    check->begun_length = 0;
  }
  free(line);
}

static void check_file(struct check *check, const char *name) {
  size_t length = strlen(name);
  bool is_packed = length > 2 && strcmp(name + length - 2, ".s") == 0;
  char command[300];
  snprintf(command, sizeof command, "exec gzip -dcf '%s'", name);
  FILE *stream = is_packed ? popen(command, "r") : fopen(name, "r");
  if (!stream) fail(name);
  check_stream(check, stream);
  int status = is_packed ? pclose(stream) : fclose(stream);
  if (status != 0) fprintf(stderr, "lines: %s cannot be read whole\n", name);
}

/* Saved files, and what is being written. */
static int is_of_log(const struct dirent *entry) {
  size_t length = strlen(entry->d_name);
  const char *end = length > 2 ? entry->d_name + length - 2 : "";
  return strcmp(entry->d_name, "current") == 0 ||
         (entry->d_name[0] == '@' && (strcmp(end, ".s") == 0 || strcmp(end, ".u") == 0));
}

/* The first few runs of numbers that are missing (seen 0 times), or that are there more than once. */
static void describe_runs(const struct check *check, const char *what, bool are_missing) {
  enum { MOST_RUNS = 12 };
  int runs = 0;
  for (uint32_t number = 1; number <= check->count && runs < MOST_RUNS; number++) {
    uint32_t first = number;
    while (number <= check->count && (are_missing ? !check->seen[number] : check->seen[number] > 1)) number++;
    bool has_one = false;
    for (uint32_t i = first; i < number; i++) has_one |= is_expected(check, i);
    if (!has_one) continue;
    printf("%s %u to %u\n", what, first, number - 1);
    runs++;
  }
}

static int check(struct check *check, const char *directory) {
  check->seen = calloc(check->count + 1, 1);
  struct dirent **entries;
  if (!check->seen || chdir(directory) < 0) fail(directory);
  int found = scandir(".", &entries, is_of_log, alphasort); /* `@` is before `c` */
  if (found < 0) fail(directory);
  for (int i = 0; i < found; i++) check_file(check, entries[i]->d_name);
  if (check->begun_length > 0) check->lines++, note_torn(check, check->begun, check->begun_length);
  uint32_t missing = 0;
  for (uint32_t number = 1; number <= check->count; number++)
    missing += !check->seen[number] && is_expected(check, number);
  printf("%u %u %u %u %u %u\n", check->lines, missing, check->doubled, check->torn, check->misplaced, check->unwanted);
  describe_runs(check, "missing", true);
  describe_runs(check, "doubled", false);
  if (check->torn > 0) printf("torn: %s\n", check->first_torn);
  return 0;
}

static uint32_t number_of(const char *text) { return (uint32_t)strtoul(text, NULL, 10); }

int main(int argc, char **argv) {
  const char *what = argc > 3 ? argv[1] : "";
  if (strcmp(what, "print") == 0 && argc == 4) return print_lines(number_of(argv[2]), number_of(argv[3]));
  if (strcmp(what, "check") == 0 && argc == 7) {
    struct check of = {number_of(argv[2]), number_of(argv[3]), number_of(argv[4]), number_of(argv[5]), .seen = NULL};
    return check(&of, argv[6]);
  }
  if (strcmp(what, "drive") == 0 && argc > 8) {
    random_state = number_of(argv[2]) * 0x9e3779b97f4a7c15U + 1;
    struct drive how = {number_of(argv[3]), number_of(argv[4]), number_of(argv[5]), number_of(argv[6]), argv[7],
                        argv + 8,           .ends = {-1, -1}};
    return drive(&how);
  }
  return 100;
}
