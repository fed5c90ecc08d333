/*
 * posix.c: the system calls, one function each, as listed in native.ts. It decides nothing: a negative result is
 * -errno, anything longer than a number goes into a buffer that was passed in.
 *
 * Two things live here because no compiled TypeScript can: what a child does between vfork and exec (given as a list
 * of steps), and the crash net at the end of the file.
 *
 * Numbers arrive as doubles. Every one is checked with a condition that NaN fails. Strings arrive as UTF-8 in which
 * each character (0 to 255) stands for one byte.
 */
#define _GNU_SOURCE
#include "posix.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef SERVICE_DIRECTORY
#define SERVICE_DIRECTORY "/etc/service/"
#endif

#ifndef STOP_FLAG
#define STOP_FLAG "/etc/runit/stopit"
#define REBOOT_FLAG "/etc/runit/reboot"
#endif

#define IN_RANGE(x, low, high) ((x) >= (low) && (x) <= (high))
#define IS_FD(x) IN_RANGE(x, 0, INT_MAX)
#define IS_SPAN(from, to, length) ((from) >= 0 && (to) >= (from) && (to) <= (double)(length))

static int argument_count;
static char **argument_list;
extern char **environ;

static double result(long r) { return r < 0 ? -(double)errno : (double)r; }

/* ── byte strings ── */

/* Large and rarely touched: kept behind all small variables (see scripts/layout.ld), so that those share pages. */
#define LARGE(name) __attribute__((section(".bss.zz_" name)))

/* The texts of one call, one behind the other: short ones where other variables are, so that they cost no page. */
static char near_arena[448];
LARGE("arena") static char far_arena[128 * 1024];
static size_t near_used, far_used;

static void arena_clear(void) { near_used = far_used = 0; }

/* Undoes the UTF-8 of a byte string of n bytes into `to`, which has room for as many; its length. */
static size_t decode(const uint8_t *s, size_t n, char *to) {
  size_t length = 0;
  for (size_t i = 0; i < n; i++) {
    unsigned c = s[i];
    if (c >= 0x80 && i + 1 < n) c = (c & 3) << 6 | (s[++i] & 0x3f);
    to[length++] = (char)c;
  }
  return length;
}

/* Content, in which NUL is a byte like any other; NULL with errno set when it is too long. */
static char *content_of(const uint8_t *s, size_t n, size_t *length) {
  char *to;
  if (n < sizeof near_arena - near_used) {
    to = near_arena + near_used;
    near_used += *length = decode(s, n, to);
    near_used++;
  } else if (n < sizeof far_arena - far_used) {
    to = far_arena + far_used;
    far_used += *length = decode(s, n, to);
    far_used++;
  } else return errno = ENAMETOOLONG, NULL;
  to[*length] = 0;
  return to;
}

/* The same as a C string, which cannot contain NUL. */
static char *text_of(const uint8_t *s, size_t n) {
  size_t length;
  char *text = content_of(s, n, &length);
  if (text && memchr(text, 0, length)) return errno = EINVAL, NULL;
  return text;
}

#define TEXT(name)                                                                                                     \
  char *name##_text = text_of(name, name##_length);                                                                    \
  if (!name##_text) return -(double)errno

static double copy_out(const char *from, size_t n, const uint8_t *into, size_t room) {
  memcpy((uint8_t *)into, from, n < room ? n : room);
  return (double)n;
}

/* ── arguments and environment: full length of the text, whatever fitted ── */

double posix_argument(double index, const uint8_t *into, size_t into_length) {
  if (!(index >= 0 && index < argument_count)) return -EINVAL;
  const char *text = argument_list[(int)index];
  return copy_out(text, strlen(text), into, into_length);
}

double posix_argument_drop(void) {
  if (argument_count < 2) return -EINVAL;
  argument_list++;
  return --argument_count;
}

double posix_environment(const uint8_t *name, size_t name_length, const uint8_t *into, size_t into_length) {
  arena_clear();
  TEXT(name);
  const char *text = getenv(name_text);
  if (!text) return -ENOENT;
  return copy_out(text, strlen(text), into, into_length);
}

/* A text of its own, for as long as the process lives. */
static char *lasting(const uint8_t *s, size_t n, size_t more) {
  char *to = malloc(n + more + 1);
  size_t length;
  if (!to) return errno = ENOMEM, NULL;
  to[length = decode(s, n, to)] = 0;
  if (strlen(to) != length) return free(to), errno = EINVAL, NULL;
  return to;
}

double posix_argument_set(double index, const uint8_t *text, size_t text_length) {
  if (!(index >= 0 && index < argument_count)) return -EINVAL;
  char *own = lasting(text, text_length, 0);
  if (!own) return -(double)errno;
  argument_list[(int)index] = own;
  return 0;
}

double posix_executed_path(const uint8_t *into, size_t into_length) {
  const char *path = (const char *)getauxval(AT_EXECFN);
  return path ? copy_out(path, strlen(path), into, into_length) : 0;
}

/* The environment is the list the kernel gave, until something is added: then it is ours. */
static int environment_room;

/* The last entry takes the place of the first one of that name. Answers how many are left. */
double posix_environment_unset(const uint8_t *name, size_t name_length) {
  arena_clear();
  TEXT(name);
  size_t length = strlen(name_text);
  int found = -1, count = 0;
  for (; environ[count]; count++)
    if (found < 0 && !strncmp(environ[count], name_text, length) && environ[count][length] == '=') found = count;
  if (found < 0) return count;
  environ[found] = environ[--count];
  environ[count] = NULL;
  return count;
}

double posix_environment_add(const uint8_t *name, size_t name_length, const uint8_t *value, size_t value_length,
                             double value_bytes) {
  if (!IN_RANGE(value_bytes, 0, (double)value_length)) return -EINVAL;
  size_t bytes = (size_t)value_bytes;
  if (memchr(value, 0, bytes)) return -EINVAL;
  int count = 0;
  while (environ[count]) count++;
  if (count + 2 > environment_room) {
    int room = count + count / 2 + 32;
    char **more = malloc((size_t)room * sizeof *more);
    if (!more) return -ENOMEM;
    memcpy(more, environ, (size_t)(count + 1) * sizeof *more);
    if (environment_room) free(environ);
    environ = more;
    environment_room = room;
  }
  char *entry = lasting(name, name_length, bytes + 1);
  if (!entry) return -(double)errno;
  size_t length = strlen(entry);
  entry[length] = '=';
  memcpy(entry + length + 1, value, bytes);
  entry[length + 1 + bytes] = 0;
  environ[count] = entry;
  environ[count + 1] = NULL;
  return 0;
}

/* Forgets the arguments from this one on. */
double posix_argument_cut(double count) {
  if (!(count >= 0 && count <= argument_count)) return -EINVAL;
  argument_list[(int)count] = NULL;
  return argument_count = (int)count;
}

double posix_constant(double which, const uint8_t *into, size_t into_length) {
  static const char *const constants[] = {SERVICE_DIRECTORY, STOP_FLAG, REBOOT_FLAG};
  if (!IN_RANGE(which, 0, 2)) return -EINVAL;
  const char *text = constants[(int)which];
  return copy_out(text, strlen(text), into, into_length);
}

/* ── files ── */

/* musl's open sets close-on-exec a second time, for kernels that are long gone: one call in ten of ours. */
static int open_file(const char *path, int flags, mode_t mode) {
  /* system.ts knows the flags of x86-64. All that it uses are the same elsewhere, but for these. */
  int same = flags & ~(0200000 | 0400000);
  if (flags & 0200000) same |= O_DIRECTORY;
  if (flags & 0400000) same |= O_NOFOLLOW;
  return (int)syscall(SYS_openat, AT_FDCWD, path, same | O_CLOEXEC | O_LARGEFILE, mode);
}

double posix_open(const uint8_t *path, size_t path_length, double flags, double mode) {
  arena_clear();
  TEXT(path);
  if (!IN_RANGE(flags, 0, INT_MAX) || !IN_RANGE(mode, 0, 07777)) return -EINVAL;
  return result(open_file(path_text, (int)flags, (mode_t)mode));
}

double posix_close_fd(double fd) { return IS_FD(fd) ? result(close((int)fd)) : -EBADF; }

double posix_read(double fd, const uint8_t *into, size_t into_length, double from, double to) {
  if (!IS_FD(fd) || !IS_SPAN(from, to, into_length)) return -EINVAL;
  return result(read((int)fd, (uint8_t *)into + (size_t)from, (size_t)(to - from)));
}

double posix_read_at(double fd, const uint8_t *into, size_t into_length, double offset) {
  if (!IS_FD(fd) || !IN_RANGE(offset, 0, 1e15)) return -EINVAL;
  return result(pread((int)fd, (uint8_t *)into, into_length, (off_t)offset));
}

double posix_write(double fd, const uint8_t *bytes, size_t bytes_length, double from, double to) {
  if (!IS_FD(fd) || !IS_SPAN(from, to, bytes_length)) return -EINVAL;
  return result(write((int)fd, bytes + (size_t)from, (size_t)(to - from)));
}

double posix_write_text(double fd, const uint8_t *text, size_t text_length) {
  size_t length;
  if (!IS_FD(fd)) return -EINVAL;
  arena_clear();
  char *content = content_of(text, text_length, &length);
  return content ? result(write((int)fd, content, length)) : -(double)errno;
}

/* -EAGAIN instead of waiting for a reader that does not read. */
double posix_write_if_ready(double fd, const uint8_t *text, size_t text_length) {
  struct pollfd out = {.fd = IS_FD(fd) ? (int)fd : -1, .events = POLLOUT};
  if (poll(&out, 1, 0) < 1) return -EAGAIN;
  return posix_write_text(fd, text, text_length);
}

/* -EAGAIN instead of waiting, whatever the descriptor is and whoever shares it: its own mode is left alone. */
double posix_write_now(double fd, const uint8_t *bytes, size_t bytes_length, double from, double to) {
  if (!IS_FD(fd) || !IS_SPAN(from, to, bytes_length)) return -EINVAL;
  struct iovec part = {(void *)(uintptr_t)(bytes + (size_t)from), (size_t)(to - from)};
  ssize_t n = send((int)fd, part.iov_base, part.iov_len, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (n >= 0 || errno != ENOTSOCK) return result(n);
#ifdef SYS_pwritev2
  n = syscall(SYS_pwritev2, (int)fd, &part, 1, -1L, -1L, 8 /* RWF_NOWAIT */);
  if (n >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL && errno != EPERM)) return result(n);
#endif
  struct pollfd out = {.fd = (int)fd, .events = POLLOUT};
  if (poll(&out, 1, 0) < 1) return -EAGAIN;
  return result(write((int)fd, part.iov_base, part.iov_len < PIPE_BUF ? part.iov_len : PIPE_BUF));
}

double posix_write_at(double fd, const uint8_t *bytes, size_t bytes_length, double offset) {
  if (!IS_FD(fd) || !IN_RANGE(offset, 0, 1e15)) return -EINVAL;
  return result(pwrite((int)fd, bytes, bytes_length, (off_t)offset));
}

/* What one that was killed has left is used, as by the original; EEXIST: it leads elsewhere, as a link of either kind,
   or a pipe, and is none of ours. */
static int open_left_over(const char *path) {
  struct stat found;
  int fd = open_file(path, O_WRONLY | 0400000 | O_NONBLOCK, 0); /* no link is followed: see open_file */
  if (fd < 0 && errno != ELOOP && errno != ENXIO) return -1;
  if (fd >= 0 && fstat(fd, &found) == 0 && S_ISREG(found.st_mode) && found.st_nlink == 1 && ftruncate(fd, 0) == 0)
    return fd;
  if (fd >= 0) close(fd);
  errno = EEXIST;
  return -1;
}

/* Which step of a replacement failed is added to -errno in thousands; a short write is errno 0 of step 2. */
static double replace(const char *temporary, const char *path, const void *bytes, size_t length, double mode) {
  if (!IN_RANGE(mode, 0, 0777)) return -(1000.0 + EINVAL);
  const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NONBLOCK;
  int fd = open_file(temporary, flags, (mode_t)mode);
  if (fd < 0 && errno == EEXIST) fd = open_left_over(temporary);
  if (fd < 0 && errno == EEXIST && unlink(temporary) == 0) fd = open_file(temporary, flags, (mode_t)mode);
  if (fd < 0) return -(1000.0 + errno);
  if (mode != 0644) fchmod(fd, (mode_t)mode); /* for a group, whatever the umask says */
  ssize_t written = write(fd, bytes, length);
  int why = errno;
  close(fd);
  if (written != (ssize_t)length) return unlink(temporary), -(2000.0 + (written < 0 ? why : 0));
  if (rename(temporary, path) < 0) return -(3000.0 + errno);
  return 0;
}

double posix_replace(const uint8_t *temporary, size_t temporary_length, const uint8_t *path, size_t path_length,
                     const uint8_t *bytes, size_t bytes_length, double mode) {
  arena_clear();
  TEXT(temporary);
  TEXT(path);
  return replace(temporary_text, path_text, bytes, bytes_length, mode);
}

double posix_replace_text(const uint8_t *temporary, size_t temporary_length, const uint8_t *path, size_t path_length,
                          const uint8_t *text, size_t text_length, double mode) {
  size_t length;
  arena_clear();
  TEXT(temporary);
  TEXT(path);
  char *content = content_of(text, text_length, &length);
  return content ? replace(temporary_text, path_text, content, length, mode) : -(double)errno;
}

/* The kernel's struct statx; musl's headers have none. */
struct extended_stat {
  uint32_t mask, block_size;
  uint64_t attributes;
  uint32_t links, uid, gid;
  uint16_t mode, spare;
  uint64_t inode, size, blocks, attributes_mask;
  struct {
    int64_t seconds;
    uint32_t nanoseconds, spare;
  } accessed, born, changed, modified;
  uint32_t special_major, special_minor, device_major, device_minor;
  uint64_t more[14];
};

/* Nine doubles: mode, size, links, mtime s, ns, ctime s, ns, birth s, ns (0 where unknown); then device and inode,
   8 bytes each, and the owner as a double. */
static double put_stat(int fd, const char *path, int flags, const uint8_t *into, size_t room) {
  struct extended_stat s = {0};
  uint64_t device;
  if (room < 96) return -EINVAL;
#ifdef SYS_statx
  if (syscall(SYS_statx, fd, path, flags, 0xfff, &s) == 0) device = (uint64_t)s.device_major << 32 | s.device_minor;
  else if (errno != ENOSYS && errno != EPERM) return -(double)errno;
  else
#endif
  { /* an old kernel, or a container that does not let statx through */
    struct stat old;
    if (fstatat(fd, path, &old, flags) < 0) return -(double)errno;
    s.mode = (uint16_t)old.st_mode, s.size = (uint64_t)old.st_size, s.links = (uint32_t)old.st_nlink;
    s.modified.seconds = old.st_mtim.tv_sec, s.modified.nanoseconds = (uint32_t)old.st_mtim.tv_nsec;
    s.changed.seconds = old.st_ctim.tv_sec, s.changed.nanoseconds = (uint32_t)old.st_ctim.tv_nsec;
    s.inode = old.st_ino, device = old.st_dev, s.uid = old.st_uid;
  }
  double d[9] = {s.mode,
                 (double)s.size,
                 s.links,
                 (double)s.modified.seconds,
                 s.modified.nanoseconds,
                 (double)s.changed.seconds,
                 s.changed.nanoseconds,
                 (double)s.born.seconds,
                 s.born.nanoseconds};
  memcpy((uint8_t *)into, d, 72);
  memcpy((uint8_t *)into + 72, &device, 8);
  memcpy((uint8_t *)into + 80, &s.inode, 8);
  double owner = s.uid;
  memcpy((uint8_t *)into + 88, &owner, 8);
  return 0;
}

double posix_stat(const uint8_t *path, size_t path_length, double follow, const uint8_t *into, size_t into_length) {
  arena_clear();
  TEXT(path);
  return put_stat(AT_FDCWD, path_text, follow == 0 ? AT_SYMLINK_NOFOLLOW : 0, into, into_length);
}

double posix_stat_fd(double fd, const uint8_t *into, size_t into_length) {
  return IS_FD(fd) ? put_stat((int)fd, "", AT_EMPTY_PATH, into, into_length) : -EBADF;
}

double posix_chmod(const uint8_t *path, size_t path_length, double mode) {
  if (!IN_RANGE(mode, 0, 07777)) return -EINVAL;
  arena_clear();
  TEXT(path);
  return result(chmod(path_text, (mode_t)mode));
}

double posix_chmod_fd(double fd, double mode) {
  return IS_FD(fd) && IN_RANGE(mode, 0, 07777) ? result(fchmod((int)fd, (mode_t)mode)) : -EINVAL;
}

/* -1: that is left alone. Links are not followed. */
double posix_set_owner(const uint8_t *path, size_t path_length, double uid, double gid) {
  if (!IN_RANGE(uid, -1, 4294967294.0) || !IN_RANGE(gid, -1, 4294967294.0)) return -EINVAL;
  arena_clear();
  TEXT(path);
  return result(lchown(path_text, uid < 0 ? (uid_t)-1 : (uid_t)uid, gid < 0 ? (gid_t)-1 : (gid_t)gid));
}

double posix_truncate(double fd, double bytes) {
  return IS_FD(fd) && IN_RANGE(bytes, 0, 1e15) ? result(ftruncate((int)fd, (off_t)bytes)) : -EINVAL;
}

double posix_sync(double fd) { return IS_FD(fd) ? result(fsync((int)fd)) : -EBADF; }

double posix_file_system(const uint8_t *path, size_t path_length) {
  struct statfs s;
  arena_clear();
  TEXT(path);
  return statfs(path_text, &s) < 0 ? -(double)errno : (double)(uint32_t)s.f_type;
}

double posix_mkdir(const uint8_t *path, size_t path_length, double mode) {
  arena_clear();
  TEXT(path);
  return IN_RANGE(mode, 0, 07777) ? result(mkdir(path_text, (mode_t)mode)) : -EINVAL;
}

double posix_mkfifo(const uint8_t *path, size_t path_length, double mode) {
  arena_clear();
  TEXT(path);
  return IN_RANGE(mode, 0, 07777) ? result(mkfifo(path_text, (mode_t)mode)) : -EINVAL;
}

double posix_readlink(const uint8_t *path, size_t path_length, const uint8_t *into, size_t into_length) {
  arena_clear();
  TEXT(path);
  return result(readlink(path_text, (char *)into, into_length));
}

double posix_current_directory(const uint8_t *into, size_t into_length) {
  return getcwd((char *)into, into_length) ? (double)strlen((const char *)into) : -(double)errno;
}

double posix_symlink(const uint8_t *target, size_t target_length, const uint8_t *path, size_t path_length) {
  arena_clear();
  TEXT(target);
  TEXT(path);
  return result(symlink(target_text, path_text));
}

double posix_rename(const uint8_t *from, size_t from_length, const uint8_t *to, size_t to_length) {
  arena_clear();
  TEXT(from);
  TEXT(to);
  return result(rename(from_text, to_text));
}

double posix_exchange(const uint8_t *one, size_t one_length, const uint8_t *other, size_t other_length) {
  const unsigned rename_exchange = 2; /* the C library has no name for it */
  arena_clear();
  TEXT(one);
  TEXT(other);
  return result(syscall(SYS_renameat2, AT_FDCWD, one_text, AT_FDCWD, other_text, rename_exchange));
}

double posix_unlink(const uint8_t *path, size_t path_length) {
  arena_clear();
  TEXT(path);
  return result(unlink(path_text));
}

double posix_rmdir(const uint8_t *path, size_t path_length) {
  arena_clear();
  TEXT(path);
  return result(rmdir(path_text));
}

double posix_chdir(const uint8_t *path, size_t path_length) {
  arena_clear();
  TEXT(path);
  return result(chdir(path_text));
}

double posix_fchdir(double fd) { return IS_FD(fd) ? result(fchdir((int)fd)) : -EBADF; }

/* One directory is read at a time. */
static DIR *listing;

double posix_directory_open(const uint8_t *path, size_t path_length) {
  arena_clear();
  TEXT(path);
  if (listing) closedir(listing);
  listing = opendir(path_text);
  return listing ? 0 : -(double)errno;
}

/* Length of the next name, 0 at the end. */
double posix_directory_next(const uint8_t *into, size_t into_length) {
  if (!listing) return -EBADF;
  errno = 0;
  struct dirent *entry = readdir(listing);
  if (!entry) return -(double)errno;
  return copy_out(entry->d_name, strlen(entry->d_name), into, into_length);
}

double posix_directory_close(void) {
  if (listing) closedir(listing);
  listing = NULL;
  return 0;
}

/* Two doubles: read end, write end. */
double posix_pipe(const uint8_t *into, size_t into_length) {
  int ends[2];
  if (into_length < 16) return -EINVAL;
  if (pipe2(ends, O_CLOEXEC) < 0) return -(double)errno;
  double d[2] = {ends[0], ends[1]};
  memcpy((uint8_t *)into, d, 16);
  return 0;
}

double posix_tee(double from, double to, double max_bytes) {
  if (!IS_FD(from) || !IS_FD(to) || !IN_RANGE(max_bytes, 0, INT_MAX)) return -EINVAL;
  return result(tee((int)from, (int)to, (size_t)max_bytes, SPLICE_F_NONBLOCK));
}

/* Page of a file, through which the kernel stores a byte while it takes others out of a pipe. */
static uint8_t *mark_page, *mark;

double posix_mark_taking(double fd, double offset) {
  if (mark_page) munmap(mark_page, 4096);
  mark_page = mark = NULL;
  if (fd < 0) return 0;
  if (!IS_FD(fd) || !IN_RANGE(offset, 0, 4095)) return -EINVAL;
  void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, (int)fd, 0);
  if (at == MAP_FAILED) return -(double)errno;
  mark_page = at;
  mark = mark_page + (size_t)offset;
  return 0;
}

/* One call for all: a process that is killed has taken either nothing or the lot, and the mark tells which. */
double posix_take(double fd, const uint8_t *window, size_t window_length, double from, double to) {
  if (!IS_FD(fd) || !IS_SPAN(from, to, window_length) || to - from < 1) return -EINVAL;
  uint8_t *at = (uint8_t *)window + (size_t)from;
  struct iovec parts[2] = {{mark ? mark : at, 1}, {at + 1, (size_t)(to - from) - 1}};
  return result(readv((int)fd, parts, 2));
}

double posix_pipe_capacity(double fd, double bytes) {
  if (!IS_FD(fd) || !IN_RANGE(bytes, 0, INT_MAX)) return -EINVAL;
  return result(bytes > 0 ? fcntl((int)fd, F_SETPIPE_SZ, (int)bytes) : fcntl((int)fd, F_GETPIPE_SZ));
}

double posix_raise_fd(double fd, double lowest) {
  if (!IS_FD(fd) || !IS_FD(lowest)) return -EBADF;
  int raised = fcntl((int)fd, F_DUPFD_CLOEXEC, (int)lowest);
  int why = errno;
  close((int)fd);
  return raised < 0 ? -(double)why : raised;
}

double posix_send_datagram(double address, double port, const uint8_t *bytes, size_t bytes_length, double from,
                           double to) {
  if (!IN_RANGE(address, 0, 4294967295.0) || !IN_RANGE(port, 1, 65535) || !IS_SPAN(from, to, bytes_length))
    return -EINVAL;
  struct sockaddr_in there = {
      .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl((uint32_t)address)};
  int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (s < 0) return -(1000.0 + errno);
  double sent =
      result(sendto(s, bytes + (size_t)from, (size_t)(to - from), 0, (struct sockaddr *)&there, sizeof there));
  close(s);
  return sent;
}

/* ── buffers: what the C library does faster than a compiled loop ── */

double posix_find(const uint8_t *bytes, size_t bytes_length, double from, double to, double value) {
  if (!IS_SPAN(from, to, bytes_length)) return -EINVAL;
  const uint8_t *at = memchr(bytes + (size_t)from, (int)value, (size_t)(to - from));
  return at ? (double)(at - bytes) : -1;
}

double posix_find_text(const uint8_t *bytes, size_t bytes_length, double from, double to, const uint8_t *text,
                       size_t text_length) {
  size_t length;
  if (!IS_SPAN(from, to, bytes_length)) return -EINVAL;
  arena_clear();
  const char *content = content_of(text, text_length, &length);
  if (!content || length == 0) return -1;
  const uint8_t *found = memmem(bytes + (size_t)from, (size_t)(to - from), content, length);
  return found ? (double)(found - bytes) : -1;
}

double posix_find_last(const uint8_t *bytes, size_t bytes_length, double from, double to, double value) {
  if (!IS_SPAN(from, to, bytes_length)) return -EINVAL;
  const uint8_t *at = memrchr(bytes + (size_t)from, (int)value, (size_t)(to - from));
  return at ? (double)(at - bytes) : -1;
}

/* Eight bytes at a time: most lines are too short for memcpy to be worth a call. */
static inline uint64_t load(const uint8_t *at) {
  uint64_t word;
  __builtin_memcpy(&word, at, 8);
  return word;
}

static inline void store(uint8_t *at, uint64_t word) { __builtin_memcpy(at, &word, 8); }

/* Bit 7 of every byte that is a newline (and perhaps of bytes behind the first one). */
static inline uint64_t newlines(uint64_t word) {
  uint64_t x = word ^ 0x0a0a0a0a0a0a0a0aULL;
  return (x - 0x0101010101010101ULL) & ~x & 0x8080808080808080ULL;
}

/* Copies the lines of [from, to), each behind `head`, until `out` has no room for one. Two doubles: where it stopped in
   the source and in `out`. */
double posix_copy_lines(const uint8_t *source, size_t source_length, double from, double to, const uint8_t *head,
                        size_t head_length, double head_bytes, const uint8_t *out, size_t out_length, double out_bytes,
                        const uint8_t *reached, size_t reached_length) {
  if (!IS_SPAN(from, to, source_length) || !IS_SPAN(0, head_bytes, head_length) || !IS_SPAN(0, out_bytes, out_length) ||
      reached_length < 16)
    return -EINVAL;
  const uint8_t *at = source + (size_t)from, *end = source + (size_t)to;
  uint8_t *put = (uint8_t *)out + (size_t)out_bytes, *limit = (uint8_t *)out + out_length;
  size_t before = (size_t)head_bytes;
  while (at < end) {
    const uint8_t *line = at;
    uint8_t *start = put;
    if ((size_t)(limit - put) < before + 16) break;
    size_t i = 0;
    for (; i + 8 <= before; i += 8) store(put + i, load(head + i));
    for (; i < before; i++) put[i] = head[i];
    put += before;
    for (;;) {
      if (end - at >= 8 && limit - put >= 8) {
        uint64_t word = load(at), found = newlines(word);
        store(put, word);
        size_t length = found ? (size_t)__builtin_ctzll(found) / 8 + 1 : 8;
        at += length;
        put += length;
        if (found) break;
      } else if (at == end) break;
      else if (put == limit) { /* no room for the whole line */ at = line;
        put = start;
        goto full;
      } else if ((*put++ = *at++) == '\n') break;
    }
  }
full:;
  double d[2] = {(double)(at - source), (double)(put - out)};
  memcpy((uint8_t *)reached, d, 16);
  return 0;
}

/* Makes `to` the same open file as `from`, to be inherited by children, and closes `from`. */
double posix_move_fd(double from, double to) {
  if (!IS_FD(from) || !IS_FD(to)) return -EBADF;
  if (from == to) return result(fcntl((int)from, F_SETFD, 0));
  if (dup2((int)from, (int)to) < 0) return -(double)errno;
  close((int)from);
  return 0;
}

double posix_set_nonblocking(double fd) {
  if (!IS_FD(fd)) return -EBADF;
  int flags = fcntl((int)fd, F_GETFL);
  return flags < 0 ? -(double)errno : result(fcntl((int)fd, F_SETFL, flags | O_NONBLOCK));
}

double posix_flock(double fd, double waits) {
  return IS_FD(fd) ? result(flock((int)fd, LOCK_EX | (waits != 0 ? 0 : LOCK_NB))) : -EBADF;
}

double posix_lock_records(double fd) {
  struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  return IS_FD(fd) ? result(fcntl((int)fd, F_SETLKW, &all)) : -EBADF;
}

double posix_pass_on(double fd) { return IS_FD(fd) ? result(fcntl((int)fd, F_SETFD, 0)) : -EBADF; }

double posix_is_terminal(double fd) { return IS_FD(fd) && isatty((int)fd) ? 1 : 0; }

/* ── clocks ── */

/* Two doubles: seconds, nanoseconds. */
double posix_clock_wall(const uint8_t *into, size_t into_length) {
  struct timespec t;
  if (into_length < 16) return -EINVAL;
  clock_gettime(CLOCK_REALTIME, &t);
  double d[2] = {(double)t.tv_sec, (double)t.tv_nsec};
  memcpy((uint8_t *)into, d, 16);
  return 0;
}

static double milliseconds(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

double posix_clock_monotonic(void) { return milliseconds(CLOCK_MONOTONIC); }

double posix_clock_boot(void) { return milliseconds(CLOCK_BOOTTIME); }

double posix_zone_seconds(double seconds) {
  time_t at = IN_RANGE(seconds, -1e15, 1e15) ? (time_t)seconds : 0;
  struct tm local;
  return localtime_r(&at, &local) ? (double)local.tm_gmtoff : 0;
}

/* Unit of start times in /proc/PID/stat, per second. */
double posix_ticks(void) { return (double)sysconf(_SC_CLK_TCK); }

/* ── processes ── */

/* As this process found them; ignored_crashes: of the signals the crash net takes. */
static sigset_t inherited_mask, watched_mask, ignored_crashes;
enum { signals_end = 65 };
/* Children get the standard disposition of every signal, and none blocked. */
static int has_fresh_children;
/* The limit of descriptors that children get back; rlim_max 0: it is ours as well. */
static struct rlimit inherited_fds;

double posix_pid(void) { return getpid(); }

double posix_kill(double pid, double signal) {
  if (!IN_RANGE(pid, 1, INT_MAX) || !IN_RANGE(signal, 0, 64)) return -EINVAL;
  return result(kill((pid_t)pid, (int)signal));
}

/* glibc's record has 32-bit times where there were 32-bit programs before; musl's is not what others write. */
double posix_utmp_bytes(void) {
#if defined __aarch64__
  return 400;
#else
  return 384;
#endif
}

double posix_kill_group(double pid, double signal) {
  if (!IN_RANGE(pid, 2, INT_MAX) || !IN_RANGE(signal, 0, 64)) return -EINVAL;
  return result(kill(-(pid_t)pid, (int)signal));
}

/* Everybody else; only process 1 may. */
double posix_kill_all(double signal) {
  if (!IN_RANGE(signal, 0, 64)) return -EINVAL;
  return getpid() == 1 ? result(kill(-1, (int)signal)) : -EPERM;
}

double posix_uid(void) { return geteuid(); }

double posix_umask(double mode) { return IN_RANGE(mode, 0, 0777) ? (double)umask((mode_t)mode) : -EINVAL; }

double posix_subreaper(void) { return result(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)); }

/* A reader that has gone is an error to us, but no signal: to them it is. */
double posix_fresh_children(void) {
  signal(SIGPIPE, SIG_IGN);
  return has_fresh_children = 1;
}

/* Nothing that is open from here on goes to other programs. */
double posix_keep_above(double fd) {
  if (!IS_FD(fd)) return -EBADF;
#ifdef SYS_close_range
  if (syscall(SYS_close_range, (unsigned)fd + 1, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */) == 0) return 0;
#endif
  for (int other = (int)fd + 1; other < 1024; other++) fcntl(other, F_SETFD, FD_CLOEXEC);
  return 0;
}

/* As many descriptors as we are allowed; children get the limit that we found. */
double posix_raise_fd_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return -(double)errno;
  inherited_fds = limit;
  limit.rlim_cur = limit.rlim_max;
  return result(setrlimit(RLIMIT_NOFILE, &limit));
}

double posix_pidfd(double pid) {
#ifdef SYS_pidfd_open
  return IN_RANGE(pid, 1, INT_MAX) ? result(syscall(SYS_pidfd_open, (pid_t)pid, 0)) : -EINVAL;
#else
  return pid < 0 ? -EINVAL : -ENOSYS;
#endif
}

double posix_pidfd_kill(double fd, double signal) {
#ifdef SYS_pidfd_send_signal
  if (!IS_FD(fd) || !IN_RANGE(signal, 0, 64)) return -EINVAL;
  return result(syscall(SYS_pidfd_send_signal, (int)fd, (int)signal, NULL, 0));
#else
  return fd < 0 || signal < 0 ? -EINVAL : -ENOSYS;
#endif
}

/* Wait status of a process that is not our child and has ended, where the kernel tells it (Linux 6.15). */
double posix_pidfd_status(double fd) {
  uint32_t info[16] = {1 << 3 /* PIDFD_INFO_EXIT */};
  if (!IS_FD(fd)) return -EBADF;
  if (ioctl((int)fd, _IOWR(0xff, 11, uint8_t[64]), info) < 0) return -(double)errno;
  return info[0] & 1 << 3 ? (double)(int32_t)info[15] : -ENODATA;
}

/* Pid of one ended child (0: none) and its wait status as a double. */
/* Handed on by a restart in place: a child that was started but not yet noted is not lost, nor is the end of the one
   that matters if it was reaped but not yet noted. */
static pid_t last_spawned, watched_child;
static int watched_status = -1;

double posix_spawned(void) { return last_spawned; }

double posix_watch_end(double pid) {
  if (!IN_RANGE(pid, 1, INT_MAX)) return -EINVAL;
  watched_child = (pid_t)pid;
  watched_status = -1;
  return 0;
}

double posix_watched_end(void) { return watched_status; }

double posix_reap(const uint8_t *into, size_t into_length) {
  int status = 0;
  if (into_length < 8) return -EINVAL;
  pid_t pid = waitpid(-1, &status, WNOHANG);
  if (pid < 0) return errno == ECHILD ? 0 : -(double)errno;
  if (pid > 0 && pid == watched_child) watched_status = status;
  double d = status;
  memcpy((uint8_t *)into, &d, 8);
  return pid;
}

enum { step_chdir, step_dup, step_session, step_record, step_fchdir, step_foreground };
struct step {
  int kind, first, second;
  const char *text;
};
static struct {
  const char *program, *arguments[16];
  int argument_count, step_count, exit_code, search_path;
  struct step steps[8];
  char **own_arguments; /* instead of `arguments` */
  int variable_count, is_environment_empty;
} plan;
/* Of the plan: what its environment has that ours has not ("NAME=value"), or has not although ours has ("NAME"). */
LARGE("variables") static const char *variables[512];

double posix_spawn_begin(double exit_code, double search_path, const uint8_t *program, size_t program_length) {
  if (!IN_RANGE(exit_code, 0, 255)) return -EINVAL;
  arena_clear();
  memset(&plan, 0, sizeof plan);
  TEXT(program);
  plan.program = program_text;
  plan.exit_code = (int)exit_code;
  plan.search_path = search_path != 0;
  return 0;
}

double posix_spawn_argument(const uint8_t *text, size_t text_length) {
  if (plan.argument_count >= 15) return -E2BIG;
  TEXT(text);
  plan.arguments[plan.argument_count++] = text_text;
  return 0;
}

/* Its arguments are those of this program, from that one on. */
double posix_spawn_own_arguments(double index) {
  if (!(index >= 0 && index < argument_count)) return -EINVAL;
  plan.own_arguments = argument_list + (int)index;
  plan.argument_count = 1;
  return 0;
}

/* "": none of our environment; "NAME": without it; "NAME=value". */
double posix_spawn_variable(const uint8_t *text, size_t text_length) {
  if (text_length == 0) return plan.is_environment_empty = 1;
  if (plan.variable_count >= (int)(sizeof variables / sizeof *variables)) return -E2BIG;
  TEXT(text);
  variables[plan.variable_count++] = text_text;
  return 0;
}

static int is_same_variable(const char *one, const char *other) {
  size_t n = strcspn(one, "=");
  return n == strcspn(other, "=") && !strncmp(one, other, n);
}

/* NULL: no memory. A later variable wins. */
static char **planned_environment(void) {
  static char **list;
  static size_t room;
  size_t count = 0, n = 0;
  if (plan.variable_count == 0 && !plan.is_environment_empty) return environ;
  while (environ[count]) count++;
  if (count + (size_t)plan.variable_count + 1 > room) {
    size_t more = count + (size_t)plan.variable_count + 32;
    char **grown = malloc(more * sizeof *grown);
    if (!grown) return NULL;
    free(list);
    list = grown;
    room = more;
  }
  for (size_t i = 0; !plan.is_environment_empty && i < count; i++) {
    int is_replaced = 0;
    for (int k = 0; k < plan.variable_count; k++) is_replaced |= is_same_variable(environ[i], variables[k]);
    if (!is_replaced) list[n++] = environ[i];
  }
  for (int i = 0; i < plan.variable_count; i++) {
    int is_replaced = !strchr(variables[i], '=');
    for (int k = i + 1; k < plan.variable_count; k++) is_replaced |= is_same_variable(variables[i], variables[k]);
    if (!is_replaced) list[n++] = (char *)(uintptr_t)variables[i];
  }
  list[n] = NULL;
  return list;
}

double posix_spawn_step(double kind, double first, double second, const uint8_t *text, size_t text_length) {
  if (plan.step_count >= 8) return -E2BIG;
  if (!IN_RANGE(kind, step_chdir, step_foreground) || !IN_RANGE(first, -1, INT_MAX) || !IN_RANGE(second, -1, INT_MAX))
    return -EINVAL;
  TEXT(text);
  plan.steps[plan.step_count++] = (struct step){(int)kind, (int)first, (int)second, text_text};
  return 0;
}

static void put(uint8_t *to, uint64_t value, int size) {
  for (int i = 0; i < size; i++) to[i] = (uint8_t)(value >> (8 * i));
}

/* The child writes into the record who it is: pid, phase, boot clock, wall clock. Whoever ends the supervisor at
   whatever moment, a living child is on record (and until exec it holds the supervisor's lock as well). */
static int write_record(int fd, int phase) {
  uint8_t record[32];
  struct timespec boot, wall;
  clock_gettime(CLOCK_BOOTTIME, &boot);
  clock_gettime(CLOCK_REALTIME, &wall);
  put(record, (uint64_t)getpid(), 4);
  put(record + 4, (uint64_t)phase, 4);
  put(record + 8, (uint64_t)boot.tv_sec * 1000 + (uint64_t)boot.tv_nsec / 1000000, 8);
  put(record + 16, (uint64_t)wall.tv_sec, 8);
  put(record + 24, (uint64_t)wall.tv_nsec, 8);
  return pwrite(fd, record, sizeof record, 0) < 0 ? -1 : 0;
}

static int take(const struct step *step) {
  switch (step->kind) {
  case step_chdir: return chdir(step->text);
  case step_fchdir: return fchdir(step->first);
  case step_dup: return step->first == step->second ? fcntl(step->first, F_SETFD, 0) : dup2(step->first, step->second);
  case step_session: return setsid();
  case step_foreground:
    setpgid(0, 0);
    if (isatty(0)) tcsetpgrp(0, getpgrp()); /* signals are blocked: no TTOU stops it */
    return 0;
  default: write_record(step->first, step->second); return 0; /* a full disk does not keep a service down */
  }
}

/* Exec along PATH as the field's programs do: what does not exist or is not permitted is passed over. */
static void exec_along_path(char **arguments, char **environment) {
  char file[PATH_MAX];
  const char *name = plan.program, *path = getenv("PATH");
  int why = ENOENT;
  if (!path) path = "/bin:/usr/bin";
  for (;;) {
    size_t n = strcspn(path, ":");
    if (n + strlen(name) + 3 < sizeof file) {
      memcpy(file, n ? path : ".", n ? n : 1);
      size_t at = n ? n : 1;
      file[at] = '/';
      strcpy(file + at + 1, name);
      execve(file, arguments, environment);
      if (errno != ENOENT) why = errno;
      if (errno != ENOENT && errno != EACCES && errno != EPERM && errno != EISDIR) break;
    }
    if (!path[n]) break;
    path += n + 1;
  }
  errno = why;
}

/* Pid of the child. A child that fails before or at exec has said so into `into` (two doubles: number of the failed
   step, counted from 1, 0 if none; errno) and ends with the plan's exit code. vfork: it shares our memory until then.
 */
double posix_spawn_run(const uint8_t *into, size_t into_length) {
  if (into_length < 16 || !plan.program || plan.argument_count < 1) return -EINVAL;
  char **arguments = plan.own_arguments ? plan.own_arguments : (char **)plan.arguments;
  char **environment = planned_environment();
  if (!environment) return -ENOMEM;
  volatile int failed_step = 0, why = 0;
  sigset_t before, all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  pid_t pid = vfork();
  if (pid == 0) {
    for (int i = 0; i < plan.step_count; i++)
      if (take(&plan.steps[i]) < 0) {
        why = errno;
        failed_step = i + 1;
        _exit(plan.exit_code);
      }
    struct sigaction standard = {.sa_handler = SIG_DFL};
    for (int s = 1; s < signals_end; s++)
      if (has_fresh_children || sigismember(&watched_mask, s) == 1) sigaction(s, &standard, NULL);
    sigset_t mask = inherited_mask;
    for (int s = 1; s < signals_end; s++)
      if (has_fresh_children || sigismember(&watched_mask, s) == 1) sigdelset(&mask, s);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    if (inherited_fds.rlim_max != 0) setrlimit(RLIMIT_NOFILE, &inherited_fds);
    if (plan.search_path && !strchr(plan.program, '/')) exec_along_path(arguments, environment);
    else execve(plan.program, arguments, environment);
    why = errno;
    failed_step = plan.step_count + 1;
    _exit(plan.exit_code);
  }
  int fork_error = errno;
  if (pid > 0) last_spawned = pid;
  sigprocmask(SIG_SETMASK, &before, NULL);
  if (pid < 0) return -(double)fork_error;
  double d[2] = {failed_step, why};
  memcpy((uint8_t *)into, d, 16);
  return pid;
}

#ifdef __GLIBC__
/* What is freed again may be used again. */
static int heap_reserve(size_t bytes) {
  void *room = malloc(bytes);
  free(room);
  return room ? 0 : -1;
}
#else
int heap_reserve(size_t bytes); /* heap.c */
#endif

/* ── this process, before it becomes another program ── */

double posix_session(void) { return result(setsid()); }

double posix_chroot(const uint8_t *path, size_t path_length) {
  arena_clear();
  TEXT(path);
  return result(chroot(path_text));
}

/* Every value it can answer is a legitimate one. */
double posix_nice(double increment) {
  if (!IN_RANGE(increment, INT_MIN, INT_MAX)) return -EINVAL;
  errno = 0;
  return nice((int)increment) == -1 && errno != 0 ? -(double)errno : 0;
}

/* Into 16 bytes: soft and hard limit. */
double posix_limit(double resource, const uint8_t *into, size_t into_length) {
  struct rlimit limit;
  if (!IN_RANGE(resource, 0, RLIM_NLIMITS - 1) || into_length < 16) return -EINVAL;
  if (getrlimit((int)resource, &limit) < 0) return -(double)errno;
  uint64_t words[2] = {limit.rlim_cur, limit.rlim_max};
  memcpy((uint8_t *)into, words, 16);
  return 0;
}

#define IS_HALF(x) IN_RANGE(x, 0, 4294967295.0)

double posix_limit_set(double resource, double soft_high, double soft_low, double hard_high, double hard_low) {
  if (!IN_RANGE(resource, 0, RLIM_NLIMITS - 1) || !IS_HALF(soft_high) || !IS_HALF(soft_low) || !IS_HALF(hard_high) ||
      !IS_HALF(hard_low))
    return -EINVAL;
  struct rlimit limit = {(rlim_t)soft_high << 32 | (rlim_t)soft_low, (rlim_t)hard_high << 32 | (rlim_t)hard_low};
  return result(setrlimit((int)resource, &limit));
}

/* What the C library knows beyond the files: musl nothing worth asking (its reader takes a missing number for 0). */
#ifdef __GLIBC__
#define ASK_NAME_SERVICES 1
#else
#define ASK_NAME_SERVICES 0
#endif

/* 1 and two doubles (uid, gid), or 0: no such account. */
double posix_account(const uint8_t *name, size_t name_length, const uint8_t *into, size_t into_length) {
  if (into_length < 16) return -EINVAL;
  if (!ASK_NAME_SERVICES) return 0;
  arena_clear();
  TEXT(name);
  errno = 0;
  struct passwd *entry = getpwnam(name_text);
  if (!entry) return errno == ENOENT ? 0 : -(double)errno;
  double d[2] = {entry->pw_uid, entry->pw_gid};
  memcpy((uint8_t *)into, d, 16);
  return 1;
}

double posix_group(const uint8_t *name, size_t name_length) {
  if (!ASK_NAME_SERVICES) return -ENOENT;
  arena_clear();
  TEXT(name);
  errno = 0;
  struct group *entry = getgrnam(name_text);
  return entry ? (double)entry->gr_gid : errno ? -(double)errno : -ENOENT;
}

/* How many there are; as many as fit are in `into`, 4 bytes each. */
double posix_memberships(const uint8_t *name, size_t name_length, double gid, const uint8_t *into, size_t into_length) {
  if (!IS_HALF(gid)) return -EINVAL;
  if (!ASK_NAME_SERVICES) return 0;
  arena_clear();
  TEXT(name);
  int count = (int)(into_length / sizeof(gid_t));
  getgrouplist(name_text, (gid_t)gid, (gid_t *)into, &count);
  return count;
}

double posix_set_groups(const uint8_t *gids, size_t gids_length) {
  return result(setgroups(gids_length / sizeof(gid_t), (const gid_t *)gids));
}
double posix_set_gid(double gid) { return IS_HALF(gid) ? result(setgid((gid_t)gid)) : -EINVAL; }
double posix_set_uid(double uid) { return IS_HALF(uid) ? result(setuid((uid_t)uid)) : -EINVAL; }

double posix_drop_bounding(double capability) {
  if (!IN_RANGE(capability, 0, 63)) return -EINVAL;
  int has = prctl(PR_CAPBSET_READ, (unsigned long)capability, 0, 0, 0);
  return has < 1 ? result(has) : result(prctl(PR_CAPBSET_DROP, (unsigned long)capability, 0, 0, 0));
}

/* From the permitted, effective and inheritable sets; the kernel takes them out of the ambient one. */
double posix_drop_capabilities(double high, double low) {
  if (!IS_HALF(high) || !IS_HALF(low)) return -EINVAL;
  struct { /* capabilities(7), version 3; the C library has no name for it */
    uint32_t version;
    int pid;
  } header = {0x20080522, 0};
  struct {
    uint32_t effective, permitted, inheritable;
  } sets[2];
  if (syscall(SYS_capget, &header, sets) < 0) return -(double)errno;
  for (int i = 0; i < 2; i++) {
    uint32_t kept = ~(uint32_t)(i ? high : low);
    sets[i].effective &= kept;
    sets[i].permitted &= kept;
    sets[i].inheritable &= kept;
  }
  return result(syscall(SYS_capset, &header, sets));
}

/* The heap and the stack have so much more, even if the system gives nothing from now on. */
double posix_reserve(double bytes) {
  if (!IN_RANGE(bytes, 0, 65536)) return -EINVAL;
  volatile char
      stack[(size_t)bytes + 1]; /* as much as is wanted: the compiler's protection of the stack touches all of it */
  for (size_t i = 0; i <= (size_t)bytes; i += 4096) stack[i] = 0;
  (void)stack[0];
  return result(heap_reserve((size_t)bytes));
}

double posix_no_new_privileges(void) { return result(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)); }

/* The signals are as they were when this program began. */
double posix_execute(const uint8_t *path, size_t path_length, double argument) {
  if (!(argument >= 0 && argument < argument_count)) return -EINVAL;
  arena_clear();
  TEXT(path);
  struct sigaction ignore = {.sa_handler = SIG_IGN}, none = {.sa_handler = SIG_DFL};
  for (int s = 1; s < 32; s++)
    if (sigismember(&ignored_crashes, s) == 1) sigaction(s, &ignore, NULL);
  sigprocmask(SIG_SETMASK, &inherited_mask, NULL);
  execve(path_text, argument_list + (int)argument, environ);
  int why = errno;
  for (int s = 1; s < 32; s++)
    if (sigismember(&ignored_crashes, s) == 1) sigaction(s, &none, NULL);
  return -(double)why;
}

/* ── the machine ── */

/* 0: ctrl-alt-del becomes a signal to process 1; 1 to 3: restart, power off, halt, in a child: the kernel may end the
   caller. Nobody but process 1 comes that far, whatever goes wrong. */
double posix_reboot(double command) {
  static const int commands[] = {RB_DISABLE_CAD, RB_AUTOBOOT, RB_POWER_OFF, RB_HALT_SYSTEM};
  if (!IN_RANGE(command, 0, 3)) return -EINVAL;
  if (getpid() != 1) return -EPERM;
  if (command == 0) return result(reboot(RB_DISABLE_CAD));
  volatile int why = 0;
  pid_t pid = vfork();
  if (pid == 0) {
    if (reboot(commands[(int)command]) < 0) why = errno;
    _exit(0);
  }
  if (pid < 0) return result(reboot(commands[(int)command]));
  while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
  }
  return -(double)why;
}

double posix_sync_all(void) {
  sync();
  return 0;
}

/* ── waiting: watched signals are blocked at every other moment ── */

/* 37 is what engines and systemd call RTMIN+3: the first real-time signals belong to the C library. */
static const int watchable[] = {SIGTERM, SIGCHLD,  SIGHUP, SIGALRM, SIGINT,  SIGCONT, SIGUSR1, SIGUSR2,
                                SIGQUIT, SIGWINCH, SIGPWR, 37,      SIGTSTP, SIGTTIN, SIGTTOU};
static volatile sig_atomic_t taken;
/* Taken, but perhaps not yet dealt with: a restart in place takes them again. */
static int in_hand;

static void take_signal(int signal) {
  for (unsigned i = 0; i < sizeof watchable / sizeof *watchable; i++)
    if (watchable[i] == signal) taken |= 1 << i;
}

/* Bit i of the mask stands for watchable[i]; native.ts's side of this list is `signals` in system.ts. */
double posix_signals_watch(double mask) {
  if (!IN_RANGE(mask, 0, 32767)) return -EINVAL;
  for (unsigned i = 0; i < sizeof watchable / sizeof *watchable; i++)
    if ((int)mask >> i & 1) {
      struct sigaction action = {.sa_handler = take_signal, .sa_flags = watchable[i] == SIGCHLD ? SA_NOCLDSTOP : 0};
      sigaddset(&watched_mask, watchable[i]);
      sigprocmask(SIG_BLOCK, &watched_mask, NULL);
      sigaction(watchable[i], &action, NULL);
    }
  return 0;
}

double posix_signals_taken(void) {
  in_hand = taken;
  taken = 0;
  return in_hand;
}

static struct pollfd few[8], *polled = few;
static int polled_count, polled_room = 8;

double posix_poll_clear(void) { return polled_count = 0; }

/* Events: 1 data, 2 only its end or error, 3 room to write. Answers its index. */
double posix_poll_add(double fd, double events) {
  if (!IS_FD(fd)) return -EBADF;
  if (polled_count == polled_room) {
    struct pollfd *more = malloc(sizeof *more * (size_t)polled_room * 2);
    if (!more) return -ENOMEM;
    memcpy(more, polled, sizeof *more * (size_t)polled_count);
    if (polled != few) free(polled);
    polled = more;
    polled_room *= 2;
  }
  polled[polled_count] = (struct pollfd){.fd = (int)fd, .events = events == 1 ? POLLIN : events == 3 ? POLLOUT : 0};
  return polled_count++;
}

#ifdef FAULT_INJECTION
static void maybe_fault(void);
#else
#define maybe_fault() ((void)0)
#endif

/* Gives back the pages of the stack that deeper calls have used: who waits may wait for years. A function of its own,
   so that every frame in use lies above `here`; the margin is for the call that it makes itself. */
static __attribute__((noinline)) void release_stack(void) {
  volatile char here = 0;
  uintptr_t lowest = ((uintptr_t)&here - 1024) & ~(uintptr_t)4095;
  madvise((void *)(lowest - 16 * 4096), 16 * 4096, MADV_DONTNEED);
}

static void set_time(double ms, struct timespec *time) {
  if (ms > 1e12) ms = 1e12;
  time->tv_sec = (time_t)(ms / 1e3);
  time->tv_nsec = (long)((ms - (double)time->tv_sec * 1e3) * 1e6);
}

enum { short_wait = 100 }; /* milliseconds */

/* Waits for a polled descriptor, a watched signal or the time (negative: for ever). */
double posix_poll_wait(double ms) {
  struct timespec time, *limit = NULL;
  if (ms >= 0) {
    set_time(ms, &time);
    limit = &time;
  }
  maybe_fault();
  sigset_t open_mask = inherited_mask;
  for (int s = 1; s < signals_end; s++)
    if (sigismember(&watched_mask, s) == 1) sigdelset(&open_mask, s);
  in_hand = 0;
  /* Who waits for long gives memory back, but not before it is clear that it is for long. */
  int n = 0;
  if (ms < 0 || ms > short_wait) {
    struct timespec moment = {0, short_wait * 1000000};
    n = ppoll(polled, (nfds_t)polled_count, &moment, &open_mask);
    if (n == 0) release_stack();
    if (limit) set_time(ms - short_wait, limit);
  }
  if (n == 0) n = ppoll(polled, (nfds_t)polled_count, limit, &open_mask);
  if (n < 0)
    for (int i = 0; i < polled_count; i++) polled[i].revents = 0;
  sigset_t pending;
  if (n > 0 && sigpending(&pending) == 0) {
    /* The kernel lets no signal through when something is ready at once: who is always busy would never hear one. */
    for (int s = 1; s < signals_end; s++) {
      if (sigismember(&watched_mask, s) != 1 || sigismember(&pending, s) != 1) continue;
      sigprocmask(SIG_SETMASK, &open_mask, &pending);
      sigprocmask(SIG_SETMASK, &pending, NULL);
      break;
    }
  }
  return result(n);
}

double posix_poll_ready(double index) {
  return index >= 0 && index < polled_count ? polled[(int)index].revents != 0 : -EINVAL;
}

/* ── local sockets; a path that begins with "@" is no file ── */

static socklen_t address_of(struct sockaddr_un *address, const char *path) {
  size_t n = strlen(path);
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  if (n >= sizeof address->sun_path) return 0;
  memcpy(address->sun_path, path, n);
  if (*path == '@') address->sun_path[0] = 0;
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (*path == '@' ? 0 : 1));
}

static double local_socket(const char *path, int listens) {
  struct sockaddr_un address;
  socklen_t length = address_of(&address, path);
  if (length == 0) return -ENAMETOOLONG;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (listens ? SOCK_NONBLOCK : 0), 0);
  if (fd < 0) return -(double)errno;
  struct sockaddr *generic = (struct sockaddr *)&address;
  if (listens ? bind(fd, generic, length) < 0 || listen(fd, 16) < 0 : connect(fd, generic, length) < 0) {
    double why = errno;
    close(fd);
    return -why;
  }
  return fd;
}

double posix_listen(const uint8_t *path, size_t path_length) {
  arena_clear();
  TEXT(path);
  return local_socket(path_text, 1);
}

double posix_connect(const uint8_t *path, size_t path_length) {
  arena_clear();
  TEXT(path);
  return local_socket(path_text, 0);
}

double posix_accept(double fd) {
  return IS_FD(fd) ? result(accept4((int)fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) : -EBADF;
}

/* Who was on the other end when it was connected. */
double posix_peer_uid(double fd) {
  struct {
    pid_t pid;
    uid_t uid;
    gid_t gid;
  } peer;
  socklen_t length = sizeof peer;
  if (!IS_FD(fd)) return -EBADF;
  return getsockopt((int)fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0 ? -(double)errno : peer.uid;
}

/* ── inotify ── */

double posix_inotify_open(void) { return result(inotify_init1(IN_CLOEXEC | IN_NONBLOCK)); }

double posix_inotify_add(double fd, const uint8_t *path, size_t path_length, double mask) {
  arena_clear();
  TEXT(path);
  if (!IS_FD(fd) || !IN_RANGE(mask, 1, 4294967295.0)) return -EINVAL;
  return result(inotify_add_watch((int)fd, path_text, (uint32_t)mask));
}

double posix_inotify_remove(double fd, double watch) {
  if (!IS_FD(fd) || !IN_RANGE(watch, 0, INT_MAX)) return -EINVAL;
  return result(inotify_rm_watch((int)fd, (int)watch));
}

/* ── the process title: writes over an argument in place; its length stays ── */

double posix_title(double argument, const uint8_t *bytes, size_t bytes_length) {
  if (!(argument >= 0 && argument < argument_count)) return -EINVAL;
  char *title = argument_list[(int)argument];
  if (bytes_length != strlen(title)) return -EINVAL;
  memcpy(title, bytes, bytes_length);
  return 0;
}

/*
 * ── the crash net ──
 *
 * A guarded program (a supervisor) cannot end by accident: a trap of the runtime, a fatal signal, a stack overflow or
 * exhausted memory re-executes it in place: same pid, same children. What it last kept (posix_keep) is handed over in
 * an unnamed file whose number is in the environment; the descriptors it named stay open. Programs that are not
 * guarded end with 111.
 */
#define STATE "RUNIT_TS_STATE="
static char guard_label[16];
static int guarded, keeps_always, kept_fd = -1, crashes;
static uint8_t *kept;
static size_t kept_length, kept_room;
static int few_kept_fds[32], *kept_fds = few_kept_fds, kept_fd_count, kept_fd_room = 32;
/* The first of them, of which what was kept last knows: the others would be held by nobody. */
static int known_fd_count;
static double last_crash;

/* 2: it must never begin afresh, however often it crashes: for process 1 that would be booting once more. */
double posix_guard(double on, const uint8_t *label, size_t label_length) {
  guarded = on != 0;
  keeps_always = on == 2;
  guard_label[label_length < sizeof guard_label ? decode(label, label_length, guard_label) : 0] = 0;
  return 0;
}

double posix_keep(const uint8_t *text, size_t text_length) {
  if (text_length > kept_room) {
    size_t room = text_length + text_length / 4 + 32;
    uint8_t *more = malloc(room);
    if (!more) return -ENOMEM;
    free(kept);
    kept = more;
    kept_room = room;
  }
  memcpy(kept, text, text_length);
  kept_length = text_length;
  known_fd_count = kept_fd_count;
  in_hand = 0;
  return 0;
}

double posix_keep_fd(double fd, double on) {
  if (!IS_FD(fd)) return -EBADF;
  int n = 0, known = 0;
  for (int i = 0; i < kept_fd_count; i++) {
    if (kept_fds[i] == (int)fd) continue;
    known += i < known_fd_count;
    kept_fds[n++] = kept_fds[i];
  }
  kept_fd_count = n;
  known_fd_count = known;
  if (on == 0) return 0;
  if (n == kept_fd_room) {
    int *more = malloc(sizeof *more * (size_t)n * 2);
    if (!more) return -ENOMEM;
    memcpy(more, kept_fds, sizeof *more * (size_t)n);
    if (kept_fds != few_kept_fds) free(kept_fds);
    kept_fds = more;
    kept_fd_room *= 2;
  }
  if (fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0) return -(double)errno;
  kept_fds[kept_fd_count++] = (int)fd;
  return 0;
}

/* What the crashed instance kept: its length (0: nothing that can be trusted), or that of the buffer it needs; -ENOENT
   for an ordinary start. */
double posix_kept(const uint8_t *into, size_t into_length) {
  struct stat s;
  if (kept_fd < 0) return crashes > 0 ? 0 : -ENOENT;
  if (fstat(kept_fd, &s) < 0) return -(double)errno;
  if ((size_t)s.st_size > into_length) return (double)s.st_size;
  uint8_t *text = (uint8_t *)into;
  ssize_t n = pread(kept_fd, text, into_length, 0), length = 0;
  for (ssize_t i = 0; i < n; i++) {
    unsigned c = text[i];
    if (c >= 0x80 && i + 1 < n) c = (c & 3) << 6 | (text[++i] & 0x3f);
    text[length++] = (uint8_t)c;
  }
  return n < 0 ? -(double)errno : (double)length;
}

static void say(const char *text) {
  if (write(2, text, strlen(text)) < 0) return;
}

/* Runs on the crash stack, on a heap that may be broken: nothing here allocates. */
static _Noreturn void recover(const char *why) {
  static volatile sig_atomic_t inside;
  LARGE("state") static char state[256];
  LARGE("environment") static char *environment[4096];
  if (inside) _exit(111);
  inside = 1;
  int why_length = (int)strcspn(why, "\n");
  const char *name = argument_count > 0 ? argument_list[0] : "runit-ts";
  /* what it is about: the first argument; behind options the last */
  const char *subject = argument_count > 1 ? argument_list[*argument_list[1] == '-' ? argument_count - 1 : 1] : "";
  const char *severity = guarded ? "warning" : "fatal", *deed = guarded ? ", restarting in place" : "";
  if (*guard_label) snprintf(state, sizeof state, "%s %s: %.*s%s.\n", guard_label, severity, why_length, why, deed);
  else
    snprintf(state, sizeof state, "%.60s%s%.40s: %s: %.*s%s.\n", name, *subject && guarded ? " " : "",
             guarded ? subject : "", severity, why_length, why, deed);
  say(state); /* in one piece: a child may write there too */
  if (!guarded) _exit(111);

  sigprocmask(SIG_BLOCK, &watched_mask, NULL); /* what comes now waits for the next instance */
  double now = milliseconds(CLOCK_MONOTONIC);
  crashes = now - last_crash < 10000 ? crashes + 1 : 1;
  if (crashes > 3 && keeps_always) { /* what lacks, memory say, may lack for long */
    struct timespec moment = {crashes > 1500 ? 1 : 0, 20000000};
    nanosleep(&moment, NULL);
  } else if (crashes > 3) { /* what it is handed may be what kills it: begin afresh, and not too often */
    struct timespec second = {1, 0};
    kept_length = 0;
    known_fd_count = 0;
    nanosleep(&second, NULL);
  }
  int fd = kept_length > 0 ? memfd_create("state", 0) : -1;
  if (fd >= 0 && write(fd, kept, kept_length) != (ssize_t)kept_length) close(fd), fd = -1;
  for (int i = 0; fd >= 0 && i < known_fd_count; i++) fcntl(kept_fds[i], F_SETFD, 0);
  if (inherited_fds.rlim_max != 0) setrlimit(RLIMIT_NOFILE, &inherited_fds);
  snprintf(state, sizeof state, STATE "%d,%d,%.0f,%d,%d,%d,%d", fd, crashes, now, (int)taken | in_hand,
           (int)last_spawned, (int)watched_child, watched_status);
  int n = 0;
  environment[n++] = state;
  for (char **e = environ; *e && n < 4095; e++) environment[n++] = *e;
  execve("/proc/self/exe", argument_list, environment);
  const char *path = (const char *)getauxval(AT_EXECFN); /* early at boot there is no /proc */
  if (path) execve(path, argument_list, environment);
  if (argument_count > 0) execvpe(argument_list[0], argument_list, environment);
  say("unable to restart in place.\n");
  while (getpid() == 1) /* the machine lives on, if without an init that can do more than this */
    if (waitpid(-1, NULL, 0) < 0) pause();
  _exit(111); /* what it supervised lives on, to be adopted by the next instance */
}

static void crash(int signal) {
  recover(signal == SIGABRT ? "internal error" : signal == SIGSEGV ? "memory fault" : "fatal signal");
}

_Noreturn void __wrap_scr_trap(const char *why) { recover(why); }

_Noreturn void __wrap_scr_trap_fmt(const char *format, ...) {
  LARGE("text") static char text[256];
  va_list list;
  va_start(list, format);
  vsnprintf(text, sizeof text, format, list);
  va_end(list);
  text[strcspn(text, "\n")] = 0;
  recover(!strncmp(text, "scriptc: ", 9) ? text + 9 : text);
}

#ifdef FAULT_INJECTION
/*
 * For tests only, never in the shipped binary. RUNIT_TS_FAULT=trap|segv|stack|memory|abort followed by @N: at the N-th
 * wait of every instance; @N,once: of the first instance only; #N: at the N-th call of a function that changes
 * something, in the first instance. RUNIT_TS_FAULT_FILE=PATH: at the next wait at which PATH.PROGRAM exists, which
 * names the fault and is removed.
 */
static volatile char sink;
static __attribute__((noinline)) void overflow(int depth) {
  volatile char page[4096];
  page[depth % 4096] = (char)depth;
  sink = page[0];
  if (sink != 2) overflow(depth + 1);
  sink = page[1];
}
static void fault(const char *kind) {
  static volatile int *volatile nowhere;
  if (!strncmp(kind, "trap", 4)) __wrap_scr_trap("injected trap");
  if (!strncmp(kind, "segv", 4)) *nowhere = 1;
  if (!strncmp(kind, "stack", 5)) overflow(0);
  if (!strncmp(kind, "abort", 5)) abort();
  if (!strncmp(kind, "memory", 6)) {
    struct rlimit none = {0, 0}, old;
    getrlimit(RLIMIT_AS, &old);
    none.rlim_max = old.rlim_max;
    setrlimit(RLIMIT_AS, &none);
    while (malloc(4096)) {
    }
    setrlimit(RLIMIT_AS, &old);
    abort(); /* what the runtime does on a failed allocation */
  }
}
static void maybe_fault(void) {
  static int waits;
  char name[PATH_MAX], kind[16] = "";
  const char *plan = getenv("RUNIT_TS_FAULT"), *file = getenv("RUNIT_TS_FAULT_FILE"), *at;
  waits++;
  if (plan && (at = strchr(plan, '@')) && atoi(at + 1) == waits && (crashes == 0 || !strstr(at, ",once"))) fault(plan);
  if (!file) return;
  const char *program = strrchr(argument_list[0], '/');
  snprintf(name, sizeof name, "%s.%s", file, program ? program + 1 : argument_list[0]);
  int fd = open(name, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  ssize_t n = read(fd, kind, sizeof kind - 1);
  close(fd);
  unlink(name);
  if (n > 0) fault(kind);
}
static void count_call(void) {
  static int calls;
  const char *plan = getenv("RUNIT_TS_FAULT"), *at;
  if (plan && guarded && crashes == 0 && (at = strchr(plan, '#')) && atoi(at + 1) == ++calls) fault(plan);
}
#define COUNTED(name, parameters, arguments)                                                                           \
  double __wrap_##name parameters {                                                                                    \
    count_call();                                                                                                      \
    return name arguments;                                                                                             \
  }
COUNTED(posix_keep, (const uint8_t *t, size_t n), (t, n))
COUNTED(posix_keep_fd, (double fd, double on), (fd, on))
COUNTED(posix_spawn_run, (const uint8_t *t, size_t n), (t, n))
COUNTED(posix_replace, (const uint8_t *t, size_t n, const uint8_t *p, size_t m, const uint8_t *b, size_t l, double o),
        (t, n, p, m, b, l, o))
COUNTED(posix_replace_text,
        (const uint8_t *t, size_t n, const uint8_t *p, size_t m, const uint8_t *b, size_t l, double o),
        (t, n, p, m, b, l, o))
COUNTED(posix_read, (double fd, const uint8_t *b, size_t n, double from, double to), (fd, b, n, from, to))
COUNTED(posix_kill, (double pid, double signal), (pid, signal))
COUNTED(posix_reap, (const uint8_t *b, size_t n), (b, n))
COUNTED(posix_close_fd, (double fd), (fd))
COUNTED(posix_write_at, (double fd, const uint8_t *b, size_t n, double offset), (fd, b, n, offset))
#endif

int __real_main(int, char **);
int __wrap_main(int argc, char **argv) {
  /* The first of the variables that are written: with them begins a page, so that they and what follows take the
   * fewest. */
  static char name[] __attribute__((aligned(4096))) = "runit-ts";
  static char *only[] = {name, NULL};
  LARGE("stack") static char stack[16384];
  static const int fatal[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
  argument_count = argc;
  argument_list = argv;
  const char *executed = (const char *)getauxval(AT_EXECFN);
  if (executed && argc > 0 && !strcmp(executed, "/proc/self/exe")) {
    const char *slash = strrchr(argv[0], '/');
    prctl(PR_SET_NAME, slash ? slash + 1 : argv[0], 0, 0, 0); /* or ps would show "exe" */
  }
  sigprocmask(SIG_SETMASK, NULL, &inherited_mask);
  const char *state = environ && environ[0] && !strncmp(environ[0], STATE, sizeof STATE - 1) ? environ[0] : NULL;
  int fd = -1;
  /* Only what we have written ourselves, into a file without a name, is believed. */
  if (state && sscanf(state + sizeof STATE - 1, "%d", &fd) == 1 && fd >= 0 && fcntl(fd, F_GET_SEALS) < 0) state = NULL;
  if (state) {
    int came = 0;
    sscanf(state + sizeof STATE - 1, "%d,%d,%lf,%d,%d,%d,%d", &kept_fd, &crashes, &last_crash, &came, &last_spawned,
           &watched_child, &watched_status);
    taken = came;
    if (kept_fd >= 0) fcntl(kept_fd, F_SETFD, FD_CLOEXEC);
    environ++;
  }
  stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
  sigaltstack(&alternate, NULL);
  sigset_t crashes_mask;
  sigemptyset(&crashes_mask);
  for (unsigned i = 0; i < sizeof fatal / sizeof *fatal; i++) {
    struct sigaction action = {.sa_handler = crash, .sa_flags = SA_ONSTACK | SA_NODEFER | SA_RESETHAND}, before;
    sigaction(fatal[i], &action, &before);
    if (before.sa_handler == SIG_IGN) sigaddset(&ignored_crashes, fatal[i]);
    sigaddset(&crashes_mask, fatal[i]);
  }
  sigprocmask(SIG_UNBLOCK, &crashes_mask, NULL);
  int code = __real_main(1, only);
  if (guarded && code == 1) recover("uncaught exception");
  return code;
}
