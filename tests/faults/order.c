/* Preloaded into a server: writes down the order in which marked messages reach the log file, are synced,
 * and leave through a socket. One line an event: W<marker> (written to the -wal), E (a sync of it has
 * returned), A<marker> (about to leave the process). Used by order.py; see G1(c) in GUARANTEES.md. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define MARK "ordr-"
#define DIGITS 6
#define FDS 4096

static int out = -1;
static char kind[FDS]; /* 0 unknown, 1 the log, 2 something else */

static void say(const char *text, size_t size) {
  if (out < 0) {
    const char *path = getenv("ORDER_LOG");
    if (!path) return;
    out = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  }
  if (out >= 0) syscall(SYS_write, out, text, size);
}

static int is_log(int fd) {
  if (fd < 0 || fd >= FDS) return 0;
  if (!kind[fd]) {
    char link[64], path[512];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    kind[fd] = 2;
    if (n > 4 && memcmp(path + n - 4, "-wal", 4) == 0) kind[fd] = 1;
  }
  return kind[fd] == 1;
}

static void scan(char event, const char *data, size_t size) {
  const char *at = data, *end = data + size;
  const size_t mark = sizeof MARK - 1;
  while ((at = memmem(at, (size_t)(end - at), MARK, mark)) != NULL) {
    at += mark;
    if (at + DIGITS > end) return;
    /* A page also carries what is left of rows that were moved: a marker cut off there names nothing. */
    int digits = 0;
    while (digits < DIGITS && at[digits] >= '0' && at[digits] <= '9') digits++;
    if (digits < DIGITS) continue;
    char line[DIGITS + 2];
    line[0] = event;
    memcpy(line + 1, at, DIGITS);
    line[DIGITS + 1] = '\n';
    say(line, DIGITS + 2);
    at += DIGITS;
  }
}

#define REAL(name, type, ...)                               \
  static type (*real)(__VA_ARGS__);                         \
  if (!real) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
  REAL(pwrite64, ssize_t, int, const void *, size_t, off64_t);
  if (is_log(fd)) scan('W', data, size);
  return real(fd, data, size, at);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
  REAL(pwrite, ssize_t, int, const void *, size_t, off_t);
  if (is_log(fd)) scan('W', data, size);
  return real(fd, data, size, at);
}
ssize_t write(int fd, const void *data, size_t size) {
  REAL(write, ssize_t, int, const void *, size_t);
  scan(is_log(fd) ? 'W' : 'A', data, size);
  return real(fd, data, size);
}
ssize_t send(int fd, const void *data, size_t size, int flags) {
  REAL(send, ssize_t, int, const void *, size_t, int);
  scan('A', data, size);
  return real(fd, data, size, flags);
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
  REAL(writev, ssize_t, int, const struct iovec *, int);
  for (int n = 0; n < count; n++) scan('A', parts[n].iov_base, parts[n].iov_len);
  return real(fd, parts, count);
}
ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  REAL(sendmsg, ssize_t, int, const struct msghdr *, int);
  for (size_t n = 0; n < message->msg_iovlen; n++) scan('A', message->msg_iov[n].iov_base, message->msg_iov[n].iov_len);
  return real(fd, message, flags);
}
int fdatasync(int fd) {
  REAL(fdatasync, int, int);
  int done = real(fd);
  if (done == 0 && is_log(fd)) say("E\n", 2);
  return done;
}
int fsync(int fd) {
  REAL(fsync, int, int);
  int done = real(fd);
  if (done == 0 && is_log(fd)) say("E\n", 2);
  return done;
}
int close(int fd) {
  REAL(close, int, int);
  if (fd >= 0 && fd < FDS) kind[fd] = 0;
  return real(fd);
}
