#ifndef CSQLITE_H
#define CSQLITE_H

/// Makes SQLite read files by a call that can be told not to wait for the disk: once, before anything is opened. Zero
/// where that is possible.
int csqlite_install(void);

/// Whether what the calling thread reads from now on fails instead of waiting for the disk.
void csqlite_never_wait(int never);

#endif
