public import Storage

extension CachedStore: MeasuredStore {
    public var measurements: [StoreMeasurement] {
        let statistics = statistics
        return [
            .counter("cache_hits_total", Double(statistics.hits)),
            .counter("cache_negative_hits_total", Double(statistics.negativeHits)),
            .counter("cache_misses_total", Double(statistics.misses)),
            .counter("cache_shared_fetches_total", Double(statistics.shared)),
            .counter("cache_evictions_total", Double(statistics.evictions)),
            .counter("cache_expirations_total", Double(statistics.expirations)),
            .counter("cache_invalidations_total", Double(statistics.invalidations)),
            .gauge("cache_following", statistics.isFollowing ? 1 : 0),
            .gauge("cache_entries", Double(statistics.entries)),
            .gauge("cache_bytes", Double(statistics.bytes)),
        ]
    }
}

extension ThrottledStore: MeasuredStore {
    public var measurements: [StoreMeasurement] {
        let statistics = statistics
        func counter(_ name: String, _ value: Double, _ direction: String) -> StoreMeasurement {
            .counter("throttle_\(name)_total", value, ["direction": direction])
        }
        return [
            counter("operations", Double(statistics.reads), "read"),
            counter("operations", Double(statistics.writes), "write"),
            counter("delayed", Double(statistics.throttledReads), "read"),
            counter("delayed", Double(statistics.throttledWrites), "write"),
            counter("delay_seconds", statistics.readDelay.seconds, "read"),
            counter("delay_seconds", statistics.writeDelay.seconds, "write"),
            counter("delay_seconds", statistics.byteDelay.seconds, "bytes"),
            .counter("throttle_refused_total", Double(statistics.refusals)),
            .counter("throttle_bytes_total", Double(statistics.bytes)),
        ]
    }
}

extension LimitedStore: MeasuredStore {
    public var measurements: [StoreMeasurement] {
        [.gauge("limit_in_flight", Double(inFlight)), .gauge("limit_waiting", Double(waiting))]
    }
}

extension RetryingStore: MeasuredStore {
    public var measurements: [StoreMeasurement] { [.counter("retries_total", Double(retries))] }
}

extension ObservedStore: MeasuredStore {
    public var measurements: [StoreMeasurement] {
        [.counter("observe_dropped_changes_total", Double(announcer.dropped))]
    }
}
