/*
 * heap.c: malloc for a process that is one of thousands. The C library's is made for speed and many threads and
 * spreads a few kilobytes over four pages; a supervisor's whole heap fits into two. One thread, sizes in classes, what
 * is freed is used again for its class, nothing moves.
 *
 *    block: | size class (8 bytes) | payload, 16-byte aligned, 16 n + 8 bytes |
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

/* Classes 1 to 80: blocks of 16 to 1280 bytes; then doubling up to 40 KB; larger ones are mapped one by one. */
enum { small_classes = 80, large_classes = 5, largest_small = small_classes * 16, own_mapping = 255 };
enum { largest = largest_small << large_classes };
struct block {
  uint64_t class;
  struct block *next; /* only while free: the payload begins here */
};
static struct block *free_blocks[small_classes + large_classes + 1];

__attribute__((section(".bss.zz_0heap"), aligned(16))) static char first_chunk[16 * 1024];
static char *fresh = first_chunk + 8, *fresh_end = first_chunk + sizeof first_chunk;

static size_t size_of(unsigned class) {
  return class <= small_classes ? (size_t) class * 16 : (size_t)largest_small << (class - small_classes);
}

static unsigned class_for(size_t payload) {
  size_t whole = payload + 8;
  if (whole <= largest_small) return (unsigned)((whole + 15) / 16);
  unsigned class = small_classes + 1;
  while (size_of(class) < whole) class ++;
  return class;
}

static void *map(size_t bytes) {
  void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return at == MAP_FAILED ? (errno = ENOMEM, NULL) : at;
}

/* What is left of the old chunk is lost. */
static int begin_chunk(void) {
  char *chunk = map(256 * 1024);
  if (!chunk) return -1;
  fresh = chunk + 8, fresh_end = chunk + 256 * 1024;
  return 0;
}

/* So many bytes can be had in small blocks from now on, even if the system gives no more. */
int heap_reserve(size_t bytes) { return (size_t)(fresh_end - fresh) < bytes ? begin_chunk() : 0; }

static int is_zero; /* of the block that was handed out last: nobody has written into it yet */

void *malloc(size_t size) {
  is_zero = 0;
  if (size > largest - 8) { /* | length | class | payload: 16 bytes in front keep the alignment */
    if (size > PTRDIFF_MAX - 8192) return errno = ENOMEM, NULL;
    size_t whole = (size + 16 + 4095) & ~(size_t)4095;
    uint64_t *at = map(whole);
    if (!at) return NULL;
    at[0] = whole, at[1] = own_mapping;
    return at + 2;
  }
  unsigned class = class_for(size ? size : 1);
  struct block *block = free_blocks[class];
  if (block) {
    free_blocks[class] = block->next;
    return &block->next;
  }
  size_t bytes = size_of(class);
  if ((size_t)(fresh_end - fresh) < bytes && begin_chunk() < 0) return NULL;
  block = (struct block *)fresh;
  fresh += bytes;
  block->class = class;
  is_zero = 1;
  return &block->next;
}

void free(void *payload) {
  if (!payload) return;
  struct block *block = (struct block *)((char *)payload - 8);
  if (block->class == own_mapping) {
    uint64_t *at = (uint64_t *)payload - 2;
    munmap(at, at[0]);
    return;
  }
  block->next = free_blocks[block->class];
  free_blocks[block->class] = block;
}

void *calloc(size_t count, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) return errno = ENOMEM, NULL;
  void *payload = malloc(bytes);
  /* A large buffer of which little is used shall cost the pages that are used: what is zero is not touched. */
  if (!payload || is_zero || bytes > largest - 8) return payload;
  return memset(payload, 0, bytes);
}

void *realloc(void *payload, size_t size) {
  if (!payload) return malloc(size);
  struct block *block = (struct block *)((char *)payload - 8);
  size_t room = block->class == own_mapping ? ((uint64_t *)payload)[-2] - 16 : size_of((unsigned)block->class) - 8;
  if (size <= room && (room < 2048 || size > room / 4)) return payload;
  if (block->class == own_mapping && size > largest - 8 && size < PTRDIFF_MAX - 8192) {
    uint64_t *at = (uint64_t *)payload - 2;
    size_t whole = (size + 16 + 4095) & ~(size_t)4095;
    at = mremap(at, at[0], whole, MREMAP_MAYMOVE);
    if (at == MAP_FAILED) return errno = ENOMEM, NULL;
    at[0] = whole;
    return at + 2;
  }
  void *larger = malloc(size);
  if (!larger) return NULL;
  memcpy(larger, payload, size < room ? size : room);
  free(payload);
  return larger;
}
