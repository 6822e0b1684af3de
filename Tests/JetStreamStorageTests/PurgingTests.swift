import Foundation
import JetStreamStorage
import NATS
import Storage
import Synchronization
import TestSupport
import Testing

/// How many have come to their end.
private final class Ended: Sendable {
    private let ended = Atomic(0)

    var count: Int { ended.load(ordering: .relaxed) }

    func note() { ended.add(1, ordering: .relaxed) }
}

/// What becomes of chunks that nobody needs, where the server does not remove them at once.
@Suite struct PurgingTests {
    /// More puts than may wait for the server fail, each in its time; the end does not wait for their chunks either.
    @Test(arguments: ServerFlavor.allCases)
    func whatFailsDoesNotWaitForItsRemoval(_ flavor: ServerFlavor) async throws {
        // One after the other, as many removals as wait would take minutes.
        let fixture = try await Fixture(flavor) { $0.timeout = .seconds(2) }
        try await fixture.store.put("k", ObjectBody("x"))
        try await fixture.server.pause()
        let ended = Ended()
        let puts = (0..<3000).map { number in
            Task {
                _ = try? await fixture.store.put(ObjectKey(validating: "k\(number)"), ObjectBody("x"))
                ended.note()
            }
        }
        try await eventually("failed puts wait") { ended.count == puts.count }
        let isShutDown = Ended()
        let shutdown = Task {
            await fixture.store.shutdown()
            isShutDown.note()
        }
        try await eventually("shutting down waits") { isShutDown.count == 1 }
        fixture.server.signal(SIGCONT)
        await shutdown.value
        await fixture.close()
    }

    /// Writers of what is there go no faster than the server removes what they replace; who gives up does not wait.
    @Test(arguments: ServerFlavor.allCases)
    func aCancelledWriterDoesNotWait(_ flavor: ServerFlavor) async throws {
        let nowhere = #"mappings: { "$JS.API.STREAM.PURGE.OBJ_B": "nowhere" }"#
        let fixture = try await Fixture(flavor, configuration: nowhere) { $0.timeout = .seconds(60) }
        let keys = try (0..<1200).map { try ObjectKey(validating: "k\($0)") }
        for key in keys { try await fixture.store.put(key, ObjectBody("x")) }
        let ended = Ended()
        let puts = keys.map { key in
            Task {
                try await fixture.store.put(key, ObjectBody("y"))
                ended.note()
            }
        }
        try await eventually("too many wait") { ended.count >= 1024 }
        // A chunk and a meta message of each, both times: one that is not stored yet would be given up.
        let stream = JetStream(fixture.control)
        try await eventually("not all are stored") {
            try await stream.streamInfo("OBJ_B").state.lastSequence >= UInt64(4 * keys.count)
        }
        try await Task.sleep(for: .milliseconds(300))
        #expect(ended.count < keys.count)
        puts.forEach { $0.cancel() }
        try await eventually("puts wait") { ended.count == keys.count }
        for key in keys { #expect(try await fixture.store.bytes(key) == Array("y".utf8)) }
        await fixture.store.shutdown()
        await fixture.close()
    }

    /// A refusal that says that nothing was stored leaves nothing to remove.
    @Test(arguments: ServerFlavor.allCases, [1, 300_000])
    func nothingIsRemovedWhereNothingIsStored(_ flavor: ServerFlavor, _ size: Int) async throws {
        let fixture = try await Fixture(flavor)
        let purges = try await fixture.bulk.subscribe("$JS.API.STREAM.PURGE.>")
        let content = bytes(size)
        let pulled = Atomic(false)
        let body = ObjectBody(size: size) { () async throws(StorageError) in
            if pulled.exchange(true, ordering: .relaxed) { return nil }
            try? await JetStream(fixture.control).deleteStream("OBJ_B")
            return content
        }
        if size == 1 { try await JetStream(fixture.control).deleteStream("OBJ_B") }
        let error = await #expect(throws: StorageError.self) {
            try await fixture.store.put("k", size == 1 ? ObjectBody(content) : body)
        }
        #expect(error?.kind == .unavailable && error?.errorClass == .transient)
        await fixture.store.finishPurging()
        #expect(try await purges.next(timeout: .milliseconds(200)) == nil)
        await fixture.close()
    }
}
