import CNATS
import Waiting

/// A thread's messages that nobody needs any more. The library has a thread that frees them, and wakes it for each message:
/// handed over by the dozen they cost a tenth. Confined to its thread.
final class Discards {
    private static let most = (messages: 64, bytes: 128 << 10)

    private static let threads = PerThread<Discards>()

    private var messages: [OpaquePointer] = []
    private var bytes = 0

    deinit {
        handOver()
    }

    /// Frees a message, soon.
    static func add(_ message: OpaquePointer) { threads.value { Discards() }.add(message) }

    private func add(_ message: OpaquePointer) {
        messages.append(message)
        bytes += Int(natsMsg_GetDataLength(message))
        if messages.count >= Self.most.messages || bytes >= Self.most.bytes { handOver() }
    }

    private func handOver() {
        for message in messages { natsMsg_Destroy(message) }
        messages.removeAll(keepingCapacity: true)
        bytes = 0
    }
}
