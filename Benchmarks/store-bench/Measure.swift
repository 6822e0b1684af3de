/// Runs `work` so often, by so many tasks, and prints how long it took.
func measure(
    count: Int, inFlight: Int, _ work: @escaping @Sendable (Int) async throws -> Void
) async throws {
    try await measure(count: count, inFlight: inFlight, preparing: { $0 }, work)
}

/// The same with what `prepare` makes for each time, which takes no time of it.
func measure<Prepared>(
    count: Int, inFlight: Int, preparing prepare: @escaping @Sendable (Int) throws -> Prepared,
    _ work: @escaping @Sendable (Prepared) async throws -> Void
) async throws {
    let start = ContinuousClock.now
    let before = Usage.now
    let latencies = try await withThrowingTaskGroup(of: [Double].self) { group in
        for worker in 0..<inFlight {
            group.addTask {
                var latencies: [Double] = []
                for index in stride(from: worker, to: count, by: inFlight) {
                    let prepared = try prepare(index)
                    let start = ContinuousClock.now
                    try await work(prepared)
                    latencies.append((ContinuousClock.now - start) / .microseconds(1))
                }
                return latencies
            }
        }
        return try await group.reduce(into: []) { $0 += $1 }.sorted()
    }
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    let usage = Usage.now
    let figures: [(String, Double)] = [
        ("p50_us", latencies[count / 2]), ("p99_us", latencies[count * 99 / 100]),
        ("per_second", Double(count) / seconds),
        ("cpu_us", (usage.cpuMicroseconds - before.cpuMicroseconds) / Double(count)),
        ("peak_mib", usage.peakMebibytes), ("grown_mib", usage.peakMebibytes - before.peakMebibytes),
    ]
    print("{" + figures.map { "\"\($0.0)\": \($0.1)" }.joined(separator: ", ") + "}")
}
