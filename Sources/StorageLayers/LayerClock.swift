import Storage

/// The passing of time as a layer sees it: the real one, or one that a test moves.
package struct LayerClock: Sendable {
    let now: @Sendable () -> ContinuousClock.Instant
    private let wait: @Sendable (Duration) async throws -> Void

    /// - Parameter wait: throws where the task is cancelled.
    package init(
        now: @escaping @Sendable () -> ContinuousClock.Instant,
        wait: @escaping @Sendable (Duration) async throws -> Void
    ) {
        self.now = now
        self.wait = wait
    }

    static let real = LayerClock(now: { .now }, wait: { try await Task.sleep(for: $0) })

    /// Throws `cancelled`.
    func sleep(_ duration: Duration) async throws(StorageError) {
        do { try await wait(duration) } catch { throw .cancelled }
    }
}
