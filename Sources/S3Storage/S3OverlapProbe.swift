import HTTP
import Storage
import Synchronization

/// Tries out what becomes of two puts on the same condition where one begins and ends while the other is under way. Some
/// servers look at the condition when a put begins, and let both through.
final class S3OverlapProbe: Sendable {
    /// For how long the outer put waits for the inner one: some servers let no other in, which is as good.
    private static let patience = Duration.seconds(1)

    private typealias Outcome = Result<S3Probe.Outcome, S3Failure>

    private let probe: S3Probe
    private let key: String
    private let condition: [(String, String)]
    /// What is written: other bytes than are there, or the ETag would stay.
    private let byte: UInt8
    private let inner = Mutex<Task<Outcome, Never>?>(nil)
    private let hasEnded = Atomic(false)

    init(_ probe: S3Probe, _ key: String, _ condition: [(String, String)], writing byte: UInt8) {
        self.probe = probe
        self.key = key
        self.condition = condition
        self.byte = byte
    }

    /// Whether one of the two is done, and one refused.
    func run() async throws(S3Failure) -> Bool {
        let bytes = [byte, byte, byte]
        let outer = await attempt(.stream(size: bytes.count, digest: Digest(of: bytes)) { self.body() })
        // Its end is waited for in any case: whoever removes what was written comes behind it.
        let inner = await inner.withLock { $0 }?.value
        return Set([try outer.get(), try inner?.get()]) == [.done, .refused]
    }

    /// The outer put's body. That it is asked for a third byte says that the first has left: the server takes the body,
    /// so it has looked at what comes before that.
    private func body() -> HTTPBody.Pull {
        let count = Atomic(0)
        return {
            let number = count.add(1, ordering: .relaxed).newValue
            if number == 3 { await self.putMeanwhile() }
            return number <= 3 ? [self.byte] : nil
        }
    }

    private func putMeanwhile() async {
        // The outer put may be sent again, and does not have another one inside then.
        inner.withLock { inner in inner = inner ?? Task { await self.putInside() } }
        let deadline = ContinuousClock.now + Self.patience
        while !hasEnded.load(ordering: .relaxed), .now < deadline {
            // Cancelled: the outer put ends.
            do { try await Task.sleep(for: .milliseconds(5)) } catch { return }
        }
    }

    private func putInside() async -> Outcome {
        defer { hasEnded.store(true, ordering: .relaxed) }
        return await attempt(.bytes([byte], digest: nil))
    }

    private func attempt(_ body: S3Request.Body) async -> Outcome {
        var request = probe.put(condition, to: key)
        request.body = body
        do throws(S3Failure) {
            return .success(try await probe.attempt(request))
        } catch {
            return .failure(error)
        }
    }
}
