#define _GNU_SOURCE
#include "csqlite.h"

#include <sqlite3.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static _Thread_local int never_waits;

void csqlite_never_wait(int never) { never_waits = never; }

// In the place of `pread` in SQLite's own table of system calls. What fails with EAGAIN is to SQLite a failed read: the
// statement ends with SQLITE_IOERR, and nothing of it stays.
static ssize_t read_at(int file, void *buffer, size_t count, off_t offset) {
    struct iovec vector = {.iov_base = buffer, .iov_len = count};
    return never_waits ? preadv2(file, &vector, 1, offset, RWF_NOWAIT) : pread(file, buffer, count, offset);
}

int csqlite_install(void) {
    if (sqlite3_initialize() != SQLITE_OK) return -1;
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    // Other systems and builds than those known here read as ever.
    if (vfs == NULL || vfs->iVersion < 3 || strcmp(vfs->zName, "unix") != 0) return -1;
    const char *names[] = {"pread64", "pread"};
    for (int index = 0; index < 2; index++) {
        if (vfs->xGetSystemCall(vfs, names[index]) == NULL) continue;
        return vfs->xSetSystemCall(vfs, names[index], (sqlite3_syscall_ptr)read_at) == SQLITE_OK ? 0 : -1;
    }
    return -1;
}
