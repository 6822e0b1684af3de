import Dispatch
import Synchronization
import Waiting

/// Hashes on a thread of its own, beside the transfer of what is hashed; holds a few chunks at most.
package final class ParallelHash: Sendable {
    private struct Progress {
        var waiting = 0
        var waitingBytes = 0
        var writer: CheckedContinuation<Void, Never>?
    }

    /// How many chunks, and bytes, may wait; a writer who waits goes on when half of them are left, since it costs
    /// more to wake it for each.
    private static let depth = 16
    private static let depthInBytes = 8 << 20

    private let hash = Mutex(BulkSHA256())
    private let progress = Mutex(Progress())
    private let queue = DispatchQueue(label: "storage.hash")

    package init() {}

    /// Takes the next bytes; waits while too many wait to be hashed. For one writer.
    package func update(_ bytes: [UInt8]) async {
        let mustWait = progress.withLock { progress in
            progress.waiting += 1
            progress.waitingBytes += bytes.count
            return !Self.hasRoom(progress, upTo: 1)
        }
        queue.async { [self] in
            hash.withLock { $0.update(bytes) }
            finishOne(bytes.count)
        }
        if mustWait { await room() }
    }

    /// The digest of everything that was taken.
    package func finalize() async -> Digest {
        await offPool(on: queue) { [self] in hash.withLock { $0.finalize() } }
    }

    private func room() async {
        await withCheckedContinuation { continuation in
            let hasRoom = progress.withLock { progress in
                if Self.hasRoom(progress, upTo: 1) { return true }
                progress.writer = continuation
                return false
            }
            if hasRoom { continuation.resume() }
        }
    }

    /// Whether no more than a part of what may wait does, `1 / divisor` of it. One chunk may, however large it is.
    private static func hasRoom(_ progress: Progress, upTo divisor: Int) -> Bool {
        progress.waiting <= depth / divisor && progress.waitingBytes <= depthInBytes / divisor || progress.waiting <= 1
    }

    private func finishOne(_ count: Int) {
        let writer = progress.withLock { progress -> CheckedContinuation<Void, Never>? in
            progress.waiting -= 1
            progress.waitingBytes -= count
            guard Self.hasRoom(progress, upTo: 2) else { return nil }
            defer { progress.writer = nil }
            return progress.writer
        }
        writer?.resume()
    }
}
