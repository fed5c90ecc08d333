/* Between libFuzzer and the compiled readers. The target is the first argument; what follows is libFuzzer's own. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*each)(const uint8_t *, size_t));
int __real_main(int argc, char **argv);

static int words_left;
static char **words;
static const char *target;
static const uint8_t *input;
static size_t input_length;
static double (*play)(double, void *);
static void *play_context;

static int each_input(const uint8_t *bytes, size_t length) {
  input = bytes;
  input_length = length;
  play((double)length, play_context);
  return 0;
}

double fuzz_run(double (*each)(double, void *), void *context) {
  play = each;
  play_context = context;
  return LLVMFuzzerRunDriver(&words_left, &words, each_input);
}

double fuzz_target(const uint8_t *into, size_t room) {
  size_t length = strlen(target);
  if (length > room) length = room;
  memcpy((uint8_t *)into, target, length);
  return (double)length;
}

double fuzz_take(const uint8_t *into, size_t room) {
  size_t length = room < input_length ? room : input_length;
  if (length > 0) memcpy((uint8_t *)into, input, length);
  return (double)length;
}

double fuzz_fail(const uint8_t *what, size_t length) {
  fprintf(stderr, "does not hold: %s: %.*s\n", target, (int)length, (const char *)what);
  abort();
}

int __wrap_main(int argc, char **argv) {
  static char name[] = "fuzz";
  static char *own[] = {name, NULL};
  if (argc < 2) return fputs("usage: fuzz target [option ...] [corpus ...]\n", stderr), 1;
  target = argv[1];
  argv[1] = argv[0];
  words_left = argc - 1;
  words = argv + 1;
  return __real_main(1, own);
}
