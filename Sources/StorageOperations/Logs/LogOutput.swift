import Dispatch
import Glibc
import Synchronization
import Waiting

/// Writes lines to a file descriptor, on a thread of its own: whoever logs never waits for a reader.
final class LogOutput: Sendable {
    private struct State {
        var waiting: [UInt8] = []
        var isWriting = false
        var dropped = 0
    }

    private let descriptor: Int32
    private let capacity: Int
    private let queue = DispatchQueue(label: "log")
    private let state = Mutex(State())

    init(descriptor: Int32, capacity: Int) {
        self.descriptor = descriptor
        self.capacity = capacity
    }

    var droppedCount: Int { state.withLock { $0.dropped } }

    /// Takes a line; false where too many wait.
    func write(_ line: [UInt8]) -> Bool {
        let (isTaken, starts) = state.withLock { state in
            guard state.waiting.count + line.count <= capacity else {
                state.dropped += 1
                return (false, false)
            }
            state.waiting += line
            defer { state.isWriting = true }
            return (true, !state.isWriting)
        }
        if starts { queue.async { self.writeWaiting() } }
        return isTaken
    }

    /// Returns when what was taken so far is written, or after a second.
    func flush() async {
        let end = DispatchSemaphore(value: 0)
        queue.async { end.signal() }
        await offPool { _ = end.wait(timeout: .now() + .seconds(1)) }
    }

    private func writeWaiting() {
        while true {
            let bytes = state.withLock { state in
                defer { state.waiting = [] }
                state.isWriting = !state.waiting.isEmpty
                return state.waiting
            }
            if bytes.isEmpty { return }
            writeAll(bytes)
        }
    }

    private func writeAll(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN {
                var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = poll(&ready, 1, -1)
            } else if errno != EINTR {
                // Nobody can be told.
                return
            }
        }
    }
}
