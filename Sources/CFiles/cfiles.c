#define _GNU_SOURCE
#include "cfiles.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef RESOLVE_CACHED
#define RESOLVE_CACHED 0x20
#endif

static int open2(int folder, const char *path, int flags, mode_t mode, uint64_t resolve) {
    struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC), .mode = mode, .resolve = resolve};
    return (int)syscall(SYS_openat2, folder, path, &how, sizeof how);
}

// For kernels before 5.6 and sandboxes without openat2: one component after the other.
static int open_stepwise(int folder, const char *path, int flags, mode_t mode) {
    int current = folder;
    for (;;) {
        const char *slash = strchr(path, '/');
        if (slash == NULL) break;
        char name[256];
        size_t length = (size_t)(slash - path);
        if (length == 0 || length >= sizeof name) {
            errno = ENAMETOOLONG;
            break;
        }
        memcpy(name, path, length);
        name[length] = '\0';
        int next = strcmp(name, "..") == 0
            ? (errno = EXDEV, -1)
            : openat(current, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int failure = errno;
        if (current != folder) close(current);
        errno = failure;
        if (next < 0) return -1;
        current = next;
        path = slash + 1;
    }
    int result = -1;
    if (strcmp(path, "..") == 0) errno = EXDEV;
    else if (strchr(path, '/') == NULL) result = openat(current, path, flags | O_NOFOLLOW | O_CLOEXEC, mode);
    int failure = errno;
    if (current != folder) close(current);
    errno = failure;
    return result;
}

int cfiles_open_beneath(int folder, const char *path, int flags, mode_t mode) {
    for (;;) {
        int file = open2(folder, path, flags, mode, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
        if (file >= 0) return file;
        if (errno == ENOSYS || errno == EPERM) return open_stepwise(folder, path, flags, mode);
        // EAGAIN: a rename elsewhere raced with the walk.
        if (errno != EINTR && errno != EAGAIN) return -1;
    }
}

ssize_t cfiles_read_cached_file(int folder, const char *path, const void **bytes) {
    static _Thread_local char buffer[64 << 10];
    // What is no file, a pipe for one, must not be waited for either.
    uint64_t resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_CACHED;
    int file = open2(folder, path, O_RDONLY | O_NONBLOCK, 0, resolve);
    if (file < 0) return -1;
    struct iovec vector = {.iov_base = buffer, .iov_len = sizeof buffer};
    ssize_t count = preadv2(file, &vector, 1, 0, RWF_NOWAIT);
    // What is cached, and the buffer, end where a block does: if the bytes end elsewhere they are all of the file's.
    if (count % 512 == 0) {
        struct stat status;
        if (fstat(file, &status) < 0 || status.st_size != count) count = -1;
    }
    // It was in place a moment ago: in the worst case this frees one small file.
    close(file);
    *bytes = buffer;
    if (count < 0) errno = EAGAIN;
    return count;
}

static int set_lock(int file, off_t byte, short type) {
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    return fcntl(file, F_OFD_SETLK, &lock);
}

int cfiles_lock(int file, off_t byte) {
    int result = set_lock(file, byte, F_WRLCK);
    if (result < 0 && errno == EACCES) errno = EAGAIN;
    return result;
}

int cfiles_unlock(int file, off_t byte) { return set_lock(file, byte, F_UNLCK); }

ssize_t cfiles_copy(int from, off_t *from_offset, int to, size_t count) {
    return copy_file_range(from, from_offset, to, NULL, count, 0);
}

int cfiles_sync_file_system(int file) { return syncfs(file); }

int cfiles_identify(int file, struct cfiles_identity *identity) {
    struct statx status;
    if (statx(file, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &status) < 0) return -1;
    int has_birth = (status.stx_mask & STATX_BTIME) != 0;
    identity->inode = status.stx_ino;
    identity->birth_seconds = has_birth ? status.stx_btime.tv_sec : 0;
    identity->birth_nanoseconds = has_birth ? status.stx_btime.tv_nsec : 0;
    return 0;
}

const char *cfiles_name(const struct dirent *entry) { return entry->d_name; }
