#ifndef CFILES_H
#define CFILES_H

#include <stdint.h>
#include <sys/types.h>

// System calls that glibc or Swift do not offer. Each returns -1 and sets errno where it fails.

/// Opens `path` beneath `folder`, never outside it and never through a symbolic link.
int cfiles_open_beneath(int folder, const char *path, int flags, mode_t mode);

/// Reads a whole file of less than 64 KiB beneath `folder`, if nothing of that can block; otherwise -1, with ENOENT only
/// where there is no such file. The bytes are the calling thread's own, until it calls this again.
ssize_t cfiles_read_cached_file(int folder, const char *path, const void **bytes);

/// Locks one byte for the open file description, which the kernel releases when its process dies; EAGAIN where another
/// holds it.
int cfiles_lock(int file, off_t byte);

/// Releases the lock on one byte.
int cfiles_unlock(int file, off_t byte);

/// Copies between files in the kernel, sharing extents where the file system can.
ssize_t cfiles_copy(int from, off_t *from_offset, int to, size_t count);

/// Waits until all that was written to the file system of `file` is on the disk.
int cfiles_sync_file_system(int file);

/// What no other folder ever had: inode and time of birth, zero where the file system keeps none.
struct cfiles_identity {
    uint64_t inode;
    int64_t birth_seconds;
    uint32_t birth_nanoseconds;
};
int cfiles_identify(int file, struct cfiles_identity *identity);

/// The bytes of a directory entry's name, which ends with a NUL.
struct dirent;
const char *cfiles_name(const struct dirent *entry);

#endif
