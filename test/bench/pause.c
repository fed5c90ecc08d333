/* The service of the benchmarks: waits, and ends at once on TERM. */
#include <unistd.h>

int main(void) {
  for (;;) pause();
}
