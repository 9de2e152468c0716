/* A disk that forgets what was not synced.
 *
 * Preloaded into the gateway, this keeps, for every file below $FORGETFUL_DISK, the bytes that writes since the file's last
 * sync have overwritten, in $FORGETFUL_UNDO/<inode>. A sync empties that. After a SIGKILL the test puts the old bytes back:
 * that is what a power cut may leave. Renames and new names count as kept; what they name may be empty.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

static const char *disk(void) { return getenv("FORGETFUL_DISK"); }

/* The undo file of an open file, or -1 where it is none of ours. */
static int undo_of(int fd, int flags, struct stat *st, char *path, size_t room) {
    const char *root = disk(), *undo = getenv("FORGETFUL_UNDO");
    char link[64], name[PATH_MAX + 32];
    if (!root || !undo) return -1;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, room - 1);
    if (n <= 0) return -1;
    path[n] = 0;
    size_t length = strlen(path);
    if (strncmp(path, root, strlen(root)) != 0) return -1;
    if (length > 4 && strcmp(path + length - 4, "-shm") == 0) return -1; /* never meant to last */
    if (fstat(fd, st) != 0 || !S_ISREG(st->st_mode)) return -1;
    snprintf(name, sizeof name, "%s/%llu", undo, (unsigned long long)st->st_ino);
    return open(name, flags | O_CLOEXEC, 0600);
}

static void put(int fd, const void *bytes, size_t n) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "write");
    const char *at = bytes;
    while (n > 0) {
        ssize_t done = real(fd, at, n);
        if (done <= 0) abort();
        at += done;
        n -= (size_t)done;
    }
}

/* Record: size before, offset, how many old bytes, the path's length; then the path and the old bytes. */
static void remember(int fd, off_t offset, size_t count) {
    static ssize_t (*real_pread)(int, void *, size_t, off_t);
    if (!real_pread) real_pread = dlsym(RTLD_NEXT, "pread64");
    struct stat st;
    char path[PATH_MAX];
    pthread_mutex_lock(&one_at_a_time);
    int undo = undo_of(fd, O_WRONLY | O_CREAT | O_APPEND, &st, path, sizeof path);
    if (undo >= 0) {
        size_t old = 0;
        if (offset < st.st_size) {
            old = (size_t)(st.st_size - offset);
            if (old > count) old = count;
        }
        char *bytes = malloc(old + 1);
        /* Files opened only for writing cannot be read back through their own descriptor. */
        int again = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t got = old > 0 && again >= 0 ? real_pread(again, bytes, old, offset) : 0;
        if (again >= 0) close(again);
        unsigned long long head[4] = {(unsigned long long)st.st_size, (unsigned long long)offset,
                                      got > 0 ? (unsigned long long)got : 0, strlen(path)};
        put(undo, head, sizeof head);
        put(undo, path, strlen(path));
        if (got > 0) put(undo, bytes, (size_t)got);
        free(bytes);
        close(undo);
    }
    pthread_mutex_unlock(&one_at_a_time);
}

static void synced(int fd) {
    struct stat st;
    char path[PATH_MAX];
    pthread_mutex_lock(&one_at_a_time);
    int undo = undo_of(fd, O_WRONLY | O_CREAT | O_TRUNC, &st, path, sizeof path);
    if (undo >= 0) close(undo);
    pthread_mutex_unlock(&one_at_a_time);
}

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

ssize_t pwrite64(int fd, const void *buf, size_t n, off64_t at) {
    REAL(pwrite64);
    remember(fd, at, n);
    return real(fd, buf, n, at);
}
ssize_t pwrite(int fd, const void *buf, size_t n, off_t at) {
    REAL(pwrite);
    remember(fd, at, n);
    return real(fd, buf, n, at);
}
ssize_t write(int fd, const void *buf, size_t n) {
    REAL(write);
    if (disk()) {
        struct stat st;
        if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
            int flags = fcntl(fd, F_GETFL);
            off_t at = flags >= 0 && (flags & O_APPEND) ? st.st_size : lseek(fd, 0, SEEK_CUR);
            if (at >= 0) remember(fd, at, n);
        }
    }
    return real(fd, buf, n);
}
int ftruncate64(int fd, off64_t size) {
    REAL(ftruncate64);
    struct stat st;
    if (disk() && fstat(fd, &st) == 0 && size < st.st_size) remember(fd, size, (size_t)(st.st_size - size));
    else remember(fd, size, 0);
    return real(fd, size);
}
int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }
int fsync(int fd) {
    REAL(fsync);
    int done = real(fd);
    if (done == 0) synced(fd);
    return done;
}
int fdatasync(int fd) {
    REAL(fdatasync);
    int done = real(fd);
    if (done == 0) synced(fd);
    return done;
}
