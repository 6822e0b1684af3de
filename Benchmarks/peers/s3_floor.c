/* The floor for S3: libcurl's multi interface in one thread, nothing else. Each request goes to a URL that is signed
 * already, one a line on standard input; the first tenth warms up.
 * usage: s3_floor put|get SIZE IN_FLIGHT < URLS */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static char **urls, *payload;
static size_t count, next, size, received;
static int puts_objects, failed;

typedef struct {
    size_t sent;
    double started;
} transfer;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static double cpu(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_utime.tv_sec + u.ru_stime.tv_sec + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static size_t reads(char *to, size_t one, size_t many, void *context) {
    transfer *t = context;
    size_t n = one * many < size - t->sent ? one * many : size - t->sent;
    memcpy(to, payload + t->sent, n);
    t->sent += n;
    return n;
}

static size_t writes(char *from, size_t one, size_t many, void *context) {
    (void)from, (void)context;
    received += one * many;
    return one * many;
}

static void start(CURLM *multi, CURL *easy, struct curl_slist *headers, size_t index) {
    transfer *t;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&t);
    t->sent = 0;
    t->started = now();
    curl_easy_setopt(easy, CURLOPT_URL, urls[index]);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, writes);
    if (puts_objects) {
        curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(easy, CURLOPT_READFUNCTION, reads);
        curl_easy_setopt(easy, CURLOPT_READDATA, t);
        curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)size);
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    }
    curl_multi_add_handle(multi, easy);
}

static int by_value(const void *a, const void *b) {
    double d = *(double *)a - *(double *)b;
    return (d > 0) - (d < 0);
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    puts_objects = !strcmp(argv[1], "put");
    size = strtoull(argv[2], 0, 10);
    size_t in_flight = strtoull(argv[3], 0, 10), capacity = 0, active = 0, done = 0, line_capacity = 0;
    payload = malloc(size);
    memset(payload, 7, size);
    for (char *line = NULL; getline(&line, &line_capacity, stdin) > 0; line = NULL, line_capacity = 0) {
        if (count == capacity) urls = realloc(urls, (capacity = capacity * 2 + 64) * sizeof *urls);
        line[strcspn(line, "\n")] = 0;
        urls[count++] = line;
    }
    double *latencies = malloc(count * sizeof *latencies), began = 0, used = 0;
    size_t warm = count / 10;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    CURLM *multi = curl_multi_init();
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    while (done < count) {
        while (active < in_flight && next < count) {
            CURL *easy = curl_easy_init();
            curl_easy_setopt(easy, CURLOPT_PRIVATE, calloc(1, sizeof(transfer)));
            start(multi, easy, headers, next++);
            active++;
        }
        int running, left;
        curl_multi_perform(multi, &running);
        CURLMsg *message;
        while ((message = curl_multi_info_read(multi, &left))) {
            if (message->msg != CURLMSG_DONE) continue;
            CURL *easy = message->easy_handle;
            long status = 0;
            transfer *t;
            curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
            curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&t);
            if (message->data.result != CURLE_OK || status != 200) failed++;
            latencies[done++] = now() - t->started;
            if (done == warm) began = now(), used = cpu();
            curl_multi_remove_handle(multi, easy);
            if (next < count) start(multi, easy, headers, next++);
        }
        if (done < count) curl_multi_poll(multi, NULL, 0, 1000, NULL);
    }
    double seconds = now() - began, operations = count - warm;
    if (failed || (!puts_objects && received != count * size)) return fprintf(stderr, "%d failed\n", failed), 1;
    qsort(latencies + warm, count - warm, sizeof *latencies, by_value);
    printf("{\"p50_us\": %f, \"p99_us\": %f, \"per_second\": %f, \"cpu_us\": %f}\n",
           latencies[warm + (count - warm) / 2] * 1e6, latencies[warm + (count - warm) * 99 / 100] * 1e6,
           operations / seconds, (cpu() - used) / operations * 1e6);
}
