import PrometheusMetrics

/// Every metric that the program tells, with the sentence that docs/metrics.md has on it.
enum MetricCatalog {
    static let all = requests + events + layers + nats + process

    private static let requests: [MetricDescription] = [
        .init("nats_storage_requests_total", .counter, "Requests answered."),
        .init(
            "nats_storage_request_duration_seconds", .histogram, "How long requests took until their reply was made."),
        .init("nats_storage_request_bytes_total", .counter, "Bytes of the payloads of requests."),
        .init("nats_storage_response_bytes_total", .counter, "Bytes of the payloads of replies."),
        .init("nats_storage_requests_in_flight", .gauge, "Requests worked on."),
        .init(
            "nats_storage_requests_in_flight_limit", .gauge,
            "How many requests may be worked on; one more is answered unavailable."),
        .init("nats_storage_uploads_open", .gauge, "Uploads that are open."),
        .init(
            "nats_storage_instance_ready", .gauge,
            "1 where the instance listens and its store answers, as /readyz sees it."),
    ]

    private static let events: [MetricDescription] = [
        .init("nats_storage_input_messages_total", .counter, "Messages of inputs that were dealt with."),
        .init("nats_storage_events_published_total", .counter, "Events handed to NATS."),
        .init("nats_storage_references_published_total", .counter, "References of stored messages handed to NATS."),
        .init("nats_storage_events_dropped_total", .counter, "Events and references that were lost."),
    ]

    private static let layers: [MetricDescription] = [
        .init("nats_storage_cache_hits_total", .counter, "Reads answered by the cache."),
        .init("nats_storage_cache_negative_hits_total", .counter, "Cache hits that knew that there is no object."),
        .init("nats_storage_cache_misses_total", .counter, "Reads that the cache could not answer."),
        .init("nats_storage_cache_shared_fetches_total", .counter, "Cache misses that shared another one's fetch."),
        .init("nats_storage_cache_evictions_total", .counter, "Cache entries that left for want of room."),
        .init("nats_storage_cache_expirations_total", .counter, "Cache entries that were too old."),
        .init("nats_storage_cache_invalidations_total", .counter, "Cache entries dropped since their object changed."),
        .init(
            "nats_storage_cache_following", .gauge,
            "Whether the cache hears of changes that are made elsewhere (1), or its entries have to age (0)."),
        .init("nats_storage_cache_entries", .gauge, "Entries in the cache."),
        .init("nats_storage_cache_bytes", .gauge, "Bytes in the cache."),
        .init(
            "nats_storage_tier_following", .gauge,
            "Whether the tiers hear of changes that are made elsewhere (1), or ask cold whether a copy is current (0)."),
        .init("nats_storage_tier_hits_total", .counter, "Reads that the tier served."),
        .init("nats_storage_tier_misses_total", .counter, "Reads that found nothing to serve there."),
        .init("nats_storage_tier_evictions_total", .counter, "Copies that had to leave the tier."),
        .init("nats_storage_tier_demotions_total", .counter, "Copies that had to leave the tier for the one below."),
        .init("nats_storage_tier_failures_total", .counter, "Operations on the tier that failed and were bypassed."),
        .init("nats_storage_tier_objects", .gauge, "Objects in the tier: hot and warm."),
        .init("nats_storage_tier_bytes", .gauge, "Bytes in the tier: hot and warm."),
        .init(
            "nats_storage_throttle_operations_total", .counter, "Operations that came to the throttle: read or write."),
        .init("nats_storage_throttle_delayed_total", .counter, "Operations that the throttle had wait, or refused."),
        .init("nats_storage_throttle_refused_total", .counter, "Operations that the throttle refused."),
        .init(
            "nats_storage_throttle_delay_seconds_total", .counter,
            "How long the throttle had operations wait: read, write, or bytes for bodies."),
        .init("nats_storage_throttle_bytes_total", .counter, "Bytes of bodies that passed the throttle."),
        .init("nats_storage_limit_in_flight", .gauge, "Operations that the limit has let in."),
        .init("nats_storage_limit_waiting", .gauge, "Operations that wait until the limit lets them in."),
        .init(
            "nats_storage_retries_total", .counter, "Operations that were tried again after they failed for the moment."
        ),
        .init(
            "nats_storage_observe_dropped_changes_total", .counter,
            "Changes that a watcher of the observe layer did not read in time."),
        .init("nats_storage_store_operations_total", .counter, "Operations on the store that ended."),
        .init("nats_storage_store_errors_total", .counter, "Operations on the store that failed."),
        .init(
            "nats_storage_store_operation_duration_seconds", .histogram,
            "How long operations on the store took; a get until its body was opened."),
        .init("nats_storage_store_bytes_total", .counter, "Bytes of bodies that went into or out of the store."),
    ]

    private static let nats: [MetricDescription] = [
        .init("nats_storage_nats_connected", .gauge, "1 while the connection to NATS is up."),
        .init("nats_storage_nats_reconnects_total", .counter, "How often the connection to NATS was made anew."),
        .init("nats_storage_nats_messages_total", .counter, "Messages from and to NATS: in or out."),
        .init("nats_storage_nats_bytes_total", .counter, "Bytes of messages from and to NATS: in or out."),
        .init(
            "nats_storage_nats_dropped_messages_total", .counter,
            "Messages from NATS dropped since they were not read quickly enough."),
        .init("nats_storage_nats_errors_total", .counter, "Errors that the NATS server reported beside any operation."),
        .init("nats_storage_nats_pending_requests", .gauge, "Requests to NATS that wait for their reply."),
    ]

    private static let process: [MetricDescription] = [
        .init("nats_storage_build_info", .gauge, "Always 1."),
        .init("nats_storage_http_requests_total", .counter, "Requests to the HTTP port, by status code."),
        .init("nats_storage_http_connections", .gauge, "Connections to the HTTP port."),
        .init(
            "nats_storage_http_refused_connections_total", .counter, "Connections refused since there were too many."),
        .init("nats_storage_page_viewers", .gauge, "Pages that follow the events."),
        .init("nats_storage_page_dropped_events_total", .counter, "Events that a page was too slow for."),
        .init("nats_storage_log_records_total", .counter, "Log records written."),
        .init(
            "nats_storage_log_dropped_records_total", .counter,
            "Log records lost since nobody read them quickly enough."),
        .init("nats_storage_configuration_reloads_total", .counter, "Reloads of the configuration: ok or failed."),
        .init(
            "nats_storage_metrics_refused_total", .counter,
            "Metrics that were not kept: too many label values, or two kinds of one name."),
        .init("process_cpu_seconds_total", .counter, "Processor time, user and system."),
        .init("process_resident_memory_bytes", .gauge, "Memory in use."),
        .init("process_virtual_memory_bytes", .gauge, "Address space in use."),
        .init("process_open_fds", .gauge, "Open file descriptors."),
        .init("process_max_fds", .gauge, "How many file descriptors may be open."),
        .init("process_threads", .gauge, "Threads."),
        .init("process_start_time_seconds", .gauge, "When the process started, in seconds since 1970."),
    ]
}
