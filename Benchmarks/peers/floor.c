// The least that the wire allows, over libnats, driven by its callbacks: a get is one direct get, a put is a chunk and
// then a meta message, each acknowledged. Nothing is hashed or parsed. With put-calls and get-calls one thread makes the
// library's own blocking calls instead, as a program in C would.
// usage: floor URL BUCKET put|get|put-calls|get-calls SIZE IN_FLIGHT COUNT
#include <nats/nats.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_IN_FLIGHT = 1024 };

static natsConnection *connection;
static char inbox[64], bucket[64];
static char *payload;
static int size, count, isPut, started, ended;
static double *latencies, starts[MAX_IN_FLIGHT];
static int steps[MAX_IN_FLIGHT], objects[MAX_IN_FLIGHT];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t finished = PTHREAD_COND_INITIALIZER;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e6 + time.tv_nsec / 1e3;
}

static void check(natsStatus status, const char *what) {
    if (status == NATS_OK) return;
    fprintf(stderr, "%s: %s\n", what, natsStatus_GetText(status));
    exit(1);
}

static void step(int slot) {
    char subject[160], reply[96], query[200];
    snprintf(reply, sizeof reply, "%s.%d", inbox, slot);
    if (!isPut) {
        snprintf(subject, sizeof subject, "$JS.API.DIRECT.GET.OBJ_%s", bucket);
        int length = snprintf(query, sizeof query, "{\"last_by_subj\":\"$O.%s.C.%d\"}", bucket, objects[slot]);
        check(natsConnection_PublishRequest(connection, subject, reply, query, length), "publish");
    } else if (steps[slot] == 0) {
        snprintf(subject, sizeof subject, "$O.%s.C.%d", bucket, objects[slot]);
        check(natsConnection_PublishRequest(connection, subject, reply, payload, size), "publish");
    } else {
        // As long as a meta message.
        static char meta[300];
        snprintf(subject, sizeof subject, "$O.%s.M.%d", bucket, objects[slot]);
        check(natsConnection_PublishRequest(connection, subject, reply, meta, sizeof meta), "publish");
    }
}

static void begin(int slot) {
    objects[slot] = started++ % (isPut ? count : 1000);
    steps[slot] = 0;
    starts[slot] = now();
    step(slot);
}

static void received(natsConnection *c, natsSubscription *s, natsMsg *message, void *closure) {
    const char *data = natsMsg_GetData(message);
    int slot = atoi(strrchr(natsMsg_GetSubject(message), '.') + 1);
    int isFine = isPut ? strstr(data, "\"seq\"") != NULL : natsMsg_GetDataLength(message) == size;
    if (!isFine) {
        fprintf(stderr, "unexpected answer: %.200s\n", data);
        exit(1);
    }
    natsMsg_Destroy(message);
    if (isPut && steps[slot]++ == 0) {
        step(slot);
        return;
    }
    latencies[ended++] = now() - starts[slot];
    if (started < count) begin(slot);
    if (ended < count) return;
    pthread_mutex_lock(&mutex);
    pthread_cond_signal(&finished);
    pthread_mutex_unlock(&mutex);
}

static void call(jsCtx *stream, int index) {
    char name[80], subject[160];
    if (!isPut) {
        jsDirectGetMsgOptions options;
        natsMsg *message;
        jsDirectGetMsgOptions_Init(&options);
        snprintf(name, sizeof name, "OBJ_%s", bucket);
        snprintf(subject, sizeof subject, "$O.%s.C.%d", bucket, index % 1000);
        options.LastBySubject = subject;
        check(js_DirectGetMsg(&message, stream, name, NULL, &options), "direct get");
        natsMsg_Destroy(message);
        return;
    }
    static char meta[300];
    for (int step = 0; step < 2; step++) {
        snprintf(subject, sizeof subject, "$O.%s.%c.%d", bucket, step ? 'M' : 'C', index);
        check(js_Publish(NULL, stream, subject, step ? meta : payload, step ? sizeof meta : size, NULL, NULL), "publish");
    }
}

static void makeCalls(void) {
    jsCtx *stream;
    check(natsConnection_JetStream(&stream, connection, NULL), "JetStream");
    for (int index = 0; index < count; index++) {
        double begun = now();
        call(stream, index);
        latencies[index] = now() - begun;
    }
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    if (argc != 7) return 2;
    natsOptions *options;
    natsSubscription *subscription;
    snprintf(bucket, sizeof bucket, "%s", argv[2]);
    isPut = strncmp(argv[3], "put", 3) == 0;
    int calls = strstr(argv[3], "-calls") != NULL;
    size = atoi(argv[4]);
    int inFlight = atoi(argv[5]);
    count = atoi(argv[6]);
    if (inFlight > MAX_IN_FLIGHT || inFlight > count) return 2;
    payload = calloc(1, size + 1);
    latencies = calloc(count, sizeof *latencies);
    check(natsOptions_Create(&options), "options");
    check(natsOptions_SetURL(options, argv[1]), "url");
    check(natsOptions_SetSendAsap(options, true), "send asap");
    check(natsConnection_Connect(&connection, options), "connect");
    snprintf(inbox, sizeof inbox, "_INBOX.floor%d", rand());
    char wildcard[80];
    snprintf(wildcard, sizeof wildcard, "%s.*", inbox);
    check(natsConnection_Subscribe(&subscription, connection, wildcard, received, NULL), "subscribe");
    check(natsConnection_Flush(connection), "flush");
    double start = now();
    if (calls) {
        makeCalls();
    } else {
        pthread_mutex_lock(&mutex);
        for (int slot = 0; slot < inFlight; slot++) begin(slot);
        pthread_cond_wait(&finished, &mutex);
    }
    double seconds = (now() - start) / 1e6;
    qsort(latencies, count, sizeof *latencies, compare);
    printf("{\"p50_us\": %.1f, \"p99_us\": %.1f, \"per_second\": %.1f}\n", latencies[count / 2],
           latencies[count * 99 / 100], count / seconds);
    return 0;
}
