// The least that the system calls for objects in files cost: a put writes a temporary file, syncs it, renames it into the
// folder of its key and syncs that; a get opens, measures, reads and closes. A file is as long as the store's: the bytes
// and their description. Nothing is hashed or locked.
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

enum { description = 122 };
static int objects, folder, temporary, isPut, size, threads, count;
static double *latencies;
static char (*names)[32];

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
    const char *name = names[index] + sizeof "key.d";
    int file = openat(temporary, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    check(file, "open");
    check(write(file, bytes, size), "write");
    check(fsync(file), "fsync");
    check(renameat(temporary, name, folder, name), "rename");
    check(close(file), "close");
    check(fsync(folder), "fsync of the folder");
}

static void get(int index, char *bytes) {
    int file = openat(objects, names[index % 1000], O_RDONLY | O_CLOEXEC);
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

static int opened(const char *name, const char *parent) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", parent, name);
    mkdir(path, 0777);
    int descriptor = open(path, O_RDONLY | O_DIRECTORY);
    check(descriptor, path);
    return descriptor;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    if (argc != 6) return 2;
    isPut = strcmp(argv[2], "put") == 0;
    size = atoi(argv[3]) + description;
    threads = atoi(argv[4]);
    count = atoi(argv[5]);
    mkdir(argv[1], 0777);
    objects = opened("objects", argv[1]);
    folder = opened("objects/key.d", argv[1]);
    temporary = opened("tmp", argv[1]);
    names = calloc(count < 1000 ? 1000 : count, sizeof *names);
    for (int index = 0; index < count || index < 1000; index++) snprintf(names[index], sizeof *names, "key.d/%06d", index);
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
