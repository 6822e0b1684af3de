// Tells Thread Sanitizer what the Swift runtime orders, where it can't see that by itself: the runtime is not instrumented.
//
// A Mutex that somebody waits for is locked and unlocked inside libswiftSynchronization, and a continuation that was
// resumed before its task awaits it hands its value over inside libswift_Concurrency. Loaded before those libraries, these
// pass each call on and tell of it. What nothing orders stays a race.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define SWIFT __attribute__((swiftcall))
#define ASYNC __attribute__((swiftasynccall))
#define SELF __attribute__((swift_context))

extern void __tsan_acquire(void *) __attribute__((weak));
extern void __tsan_release(void *) __attribute__((weak));

static void *next(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (!found) {
        fprintf(stderr, "this Swift has no %s\n", name);
        abort();
    }
    return found;
}

// Finds the function once that the one called `name` here stands before.
#define NEXT(type, variable, name)                                                                                     \
    static _Atomic(type) variable##_found;                                                                            \
    type variable = atomic_load(&variable##_found);                                                                   \
    if (!variable) atomic_store(&variable##_found, variable = (type)next(name))

// Mutex

#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"
typedef SWIFT void (*lock_function)(uint32_t, SELF void *);
typedef SWIFT void (*unlock_function)(SELF void *);

SWIFT void lock_slow(uint32_t thread, SELF void *mutex) __asm__(LOCK);
SWIFT void lock_slow(uint32_t thread, SELF void *mutex) {
    NEXT(lock_function, lock, LOCK);
    lock(thread, mutex);
    if (__tsan_acquire) __tsan_acquire(mutex);
}

SWIFT void unlock_slow(SELF void *mutex) __asm__(UNLOCK);
SWIFT void unlock_slow(SELF void *mutex) {
    NEXT(unlock_function, unlock, UNLOCK);
    if (__tsan_release) __tsan_release(mutex);
    unlock(mutex);
}

// Continuations

struct continuation {
    void *parent, *resume_parent;
    uintptr_t flags;
    _Atomic(uintptr_t) status;
};
enum { resumed = 2 };

typedef SWIFT void (*resume_function)(void *task);
typedef SWIFT void (*fail_function)(void *task, void *error);
typedef ASYNC void (*await_function)(struct continuation *);
extern SWIFT void *swift_task_getCurrent(void) __attribute__((weak));

// Held while a continuation is resumed or awaited, so that each await knows which came first. The sanitizer does not see
// it: it would order what it should not.
static atomic_flag busy = ATOMIC_FLAG_INIT;
static void enter(void) {
    while (atomic_flag_test_and_set_explicit(&busy, memory_order_acquire)) {}
}
static void leave(void) { atomic_flag_clear_explicit(&busy, memory_order_release); }

SWIFT void swift_continuation_resume(void *task) {
    NEXT(resume_function, resume, "swift_continuation_resume");
    if (__tsan_release) __tsan_release(task);
    enter();
    resume(task);
    leave();
}

SWIFT void swift_continuation_throwingResume(void *task) {
    NEXT(resume_function, resume, "swift_continuation_throwingResume");
    if (__tsan_release) __tsan_release(task);
    enter();
    resume(task);
    leave();
}

SWIFT void swift_continuation_throwingResumeWithError(void *task, void *error) {
    NEXT(fail_function, fail, "swift_continuation_throwingResumeWithError");
    if (__tsan_release) __tsan_release(task);
    enter();
    fail(task, error);
    leave();
}

ASYNC void swift_continuation_await(struct continuation *continuation) {
    NEXT(await_function, await, "swift_continuation_await");
    enter();
    if (atomic_load_explicit(&continuation->status, memory_order_acquire) == resumed) {
        leave();
        if (__tsan_acquire) __tsan_acquire(swift_task_getCurrent());
        __attribute__((musttail)) return await(continuation);
    }
    // The task is suspended, and this returns: the one who resumes it tells the sanitizer.
    await(continuation);
    leave();
}
