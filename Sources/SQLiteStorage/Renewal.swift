import FoundationEssentials
import Storage
import Synchronization

/// Keeps an upload from being swept for as long as bytes of it come, however slowly.
final class Renewal: Sendable {
    private struct State {
        var number: Int64?
        var due = Date.distantFuture
    }

    private let bodies: Bodies
    private let state = Mutex(State())

    init(_ bodies: Bodies) {
        self.bodies = bodies
    }

    /// The same body, whose reading renews what was begun.
    func renewing(_ body: ObjectBody) -> ObjectBody {
        guard body.bytesAtHand == nil else { return body }
        let pull = body.pull
        return ObjectBody(size: body.size, trailingDigest: body.trailingDigest) { () async throws(StorageError) in
            let chunk = try await pull()
            try await self.renew()
            return chunk
        }
    }

    /// From now on body `number` is renewed.
    func begin(_ number: Int64) {
        state.withLock { $0 = State(number: number, due: next) }
    }

    private var next: Date { bodies.now().addingTimeInterval(bodies.grace.seconds / 4) }

    private func renew() async throws(StorageError) {
        let now = bodies.now()
        let number = state.withLock { $0.due <= now ? $0.number : nil }
        guard let number else { return }
        try await bodies.renew(number)
        state.withLock { $0.due = next }
    }
}
