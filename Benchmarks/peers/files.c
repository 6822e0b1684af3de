// The least that the system calls for objects in files cost: a put writes a temporary file, syncs it, renames it and
// syncs the folder; a get opens, measures, reads and closes. Nothing is hashed, locked or described.
// usage: files FOLDER put|get SIZE THREADS COUNT
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int folder, temporary, isPut, size, threads, count;
static double *latencies;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e6 + time.tv_nsec / 1e3;
}

static void check(long result, const char *what) {
    if (result >= 0) return;
    perror(what);
    exit(1);
}

static void put(int index, char *bytes) {
    char name[32], target[32];
    snprintf(name, sizeof name, "t%d", index);
    snprintf(target, sizeof target, "%06d", index);
    int file = openat(temporary, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    check(file, "open");
    check(write(file, bytes, size), "write");
    check(fsync(file), "fsync");
    check(renameat(temporary, name, folder, target), "rename");
    check(close(file), "close");
    check(fsync(folder), "fsync of the folder");
}

static void get(int index, char *bytes) {
    char name[32];
    snprintf(name, sizeof name, "%06d", index % 1000);
    int file = openat(folder, name, O_RDONLY | O_CLOEXEC);
    check(file, "open");
    struct stat status;
    check(fstat(file, &status), "stat");
    check(pread(file, bytes, status.st_size < size ? status.st_size : size, 0), "read");
    check(close(file), "close");
}

static void *work(void *first) {
    char *bytes = calloc(1, size);
    for (int index = (int)(long)first; index < count; index += threads) {
        double start = now();
        if (isPut) put(index, bytes);
        else get(index, bytes);
        latencies[index] = now() - start;
    }
    free(bytes);
    return NULL;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    if (argc != 6) return 2;
    isPut = strcmp(argv[2], "put") == 0;
    size = atoi(argv[3]);
    threads = atoi(argv[4]);
    count = atoi(argv[5]);
    char path[4096];
    mkdir(argv[1], 0777);
    snprintf(path, sizeof path, "%s/objects", argv[1]);
    mkdir(path, 0777);
    folder = open(path, O_RDONLY | O_DIRECTORY);
    check(folder, path);
    snprintf(path, sizeof path, "%s/tmp", argv[1]);
    mkdir(path, 0777);
    temporary = open(path, O_RDONLY | O_DIRECTORY);
    check(temporary, path);
    latencies = calloc(count, sizeof *latencies);
    pthread_t ids[64];
    if (threads < 1 || threads > 64) return 2;
    double start = now();
    for (long thread = 0; thread < threads; thread++) pthread_create(&ids[thread], NULL, work, (void *)thread);
    for (int thread = 0; thread < threads; thread++) pthread_join(ids[thread], NULL);
    double seconds = (now() - start) / 1e6;
    qsort(latencies, count, sizeof *latencies, compare);
    printf("{\"p50_us\": %.2f, \"p99_us\": %.2f, \"per_second\": %.1f}\n", latencies[count / 2],
           latencies[count * 99 / 100], count / seconds);
    return 0;
}
