import Encodings
import StorageService
import Synchronization

/// What one open page is told: how things stand, once a second, and events as they come.
final class LiveView: Sendable {
    /// How often events are looked for.
    private static let beat: Duration = .milliseconds(150)
    /// How often it is told how things stand; the peer's absence is noticed by that too.
    private static let stateEvery: Duration = .seconds(1)

    private let operations: Operations
    private let viewer: EventFeed.Viewer
    private let lastState = Mutex<ContinuousClock.Instant?>(nil)

    init(_ operations: Operations, _ viewer: EventFeed.Viewer) {
        self.operations = operations
        self.viewer = viewer
    }

    /// The next messages, once there are some; nil at the end.
    func next() async -> [UInt8]? {
        guard let before = lastState.withLock({ $0 }) else {
            return await state() + message("events", events(viewer.recent, 0))
        }
        while (try? await Task.sleep(for: Self.beat)) != nil {
            let (seen, skipped) = viewer.take()
            var bytes = seen.isEmpty ? [] : message("events", events(seen, skipped))
            if .now - before >= Self.stateEvery { bytes += await state() }
            if !bytes.isEmpty { return bytes }
        }
        return nil
    }

    private func state() async -> [UInt8] {
        lastState.withLock { $0 = .now }
        return message("state", await operations.stateJSON())
    }

    /// JSON has no line breaks in it, which would end the message.
    private func message(_ name: String, _ json: [UInt8]) -> [UInt8] {
        Array("event: \(name)\ndata: ".utf8) + json + Array("\n\n".utf8)
    }

    /// `{"skipped", "events": [{"id", "instance", "type", "time", "key"?, "size"?, "operation"?, "code"?, "message"?}]}`
    private func events(_ events: [SeenEvent], _ skipped: Int) -> [UInt8] {
        let showsKeys = operations.browses
        var writer = JSONWriter(reserving: 4096)
        writer.object { writer in
            writer.field("skipped", skipped)
            writer.array("events") { writer in
                for event in events { writer.object { event.write(to: &$0, showsKeys) } }
            }
        }
        return writer.bytes
    }
}

extension SeenEvent {
    fileprivate func write(to writer: inout JSONWriter, _ showsKeys: Bool) {
        writer.field("id", id)
        writer.field("instance", instance)
        writer.field("type", type)
        writer.field("time", RFC3339.format(time))
        if let size { writer.field("size", size) }
        if let failure {
            writer.field("operation", failure.operation)
            writer.field("code", failure.code)
        }
        guard showsKeys else { return }
        writer.field("key", key)
        if let failure { writer.field("message", failure.message) }
    }
}
