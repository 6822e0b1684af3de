// Plain sqlite3: a table of keys and blobs, prepared statements, one transaction for each put. Nothing is hashed.
// usage: sqlite FILE put|get|list SIZE always|none COUNT
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e6 + time.tv_nsec / 1e3;
}

static sqlite3 *database;

static void check(int code, int wanted) {
    if (code == wanted) return;
    fprintf(stderr, "sqlite: %s\n", sqlite3_errmsg(database));
    exit(1);
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    if (argc != 6) return 2;
    int size = atoi(argv[3]), count = atoi(argv[5]);
    int isPut = strcmp(argv[2], "put") == 0, isList = strcmp(argv[2], "list") == 0;
    check(sqlite3_open(argv[1], &database), SQLITE_OK);
    check(sqlite3_exec(database, "PRAGMA journal_mode = WAL", NULL, NULL, NULL), SQLITE_OK);
    check(sqlite3_exec(database, strcmp(argv[4], "always") == 0 ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL",
                       NULL, NULL, NULL), SQLITE_OK);
    check(sqlite3_exec(database, "CREATE TABLE IF NOT EXISTS objects (key BLOB PRIMARY KEY, bytes BLOB)", NULL, NULL, NULL),
          SQLITE_OK);
    sqlite3_stmt *statement;
    const char *sql = isPut ? "INSERT OR REPLACE INTO objects VALUES (?, ?)"
        : isList ? "SELECT key FROM objects WHERE key > ? ORDER BY key LIMIT ?" : "SELECT bytes FROM objects WHERE key = ?";
    check(sqlite3_prepare_v2(database, sql, -1, &statement, NULL), SQLITE_OK);
    char *bytes = calloc(1, size), key[32], (*keys)[32] = calloc(count + 1000, sizeof *keys);
    for (int index = 0; index < count + 1000; index++) snprintf(keys[index], sizeof *keys, "key/%06d", index);
    double *latencies = calloc(count, sizeof *latencies), start = now();
    for (int index = 0; index < count; index++) {
        double begun = now();
        sqlite3_bind_blob(statement, 1, keys[isPut ? index : index % 1000], isList ? 4 : 10, SQLITE_STATIC);
        if (isPut) sqlite3_bind_blob(statement, 2, bytes, size, SQLITE_STATIC);
        if (isList) sqlite3_bind_int(statement, 2, size);
        if (isPut) check(sqlite3_step(statement), SQLITE_DONE);
        else if (isList) {
            for (int row = 0; row < size; row++) {
                check(sqlite3_step(statement), SQLITE_ROW);
                memcpy(key, sqlite3_column_blob(statement, 0), sqlite3_column_bytes(statement, 0));
            }
        } else {
            check(sqlite3_step(statement), SQLITE_ROW);
            memcpy(bytes, sqlite3_column_blob(statement, 0), sqlite3_column_bytes(statement, 0));
        }
        sqlite3_reset(statement);
        latencies[index] = now() - begun;
    }
    double seconds = (now() - start) / 1e6;
    qsort(latencies, count, sizeof *latencies, compare);
    printf("{\"p50_us\": %.2f, \"p99_us\": %.2f, \"per_second\": %.1f}\n", latencies[count / 2],
           latencies[count * 99 / 100], count / seconds);
    return 0;
}
