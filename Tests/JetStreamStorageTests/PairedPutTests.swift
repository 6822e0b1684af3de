import Encodings
import Foundation
import JetStreamStorage
import NATS
import Storage
import TestSupport
import Testing

/// Small puts, whose chunk and meta message go out together.
@Suite struct PairedPutTests {
    @Test(arguments: ServerFlavor.allCases)
    func theMetaMessageStandsRightBehindItsChunk(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor)
        for key: ObjectKey in ["a", "b"] { try await fixture.store.put(key, ObjectBody("of \(key)")) }
        let messages = try await fixture.messages()
        #expect(messages.map { String($0.subject.prefix(7)) } == ["$O.B.C.", "$O.B.M.", "$O.B.C.", "$O.B.M."])
        for place in [0, 2] {
            let id = try #require(messages[place].headers.first("Nats-Msg-Id"))
            #expect(messages[place + 1].headers.first("Nats-Expected-Last-Msg-Id") == id)
        }
        for key: ObjectKey in ["a", "b"] { #expect(try await fixture.store.text(key) == "of \(key)") }
        await fixture.close()
    }

    /// A stream's limit that only the chunk is over: the meta message would be taken alone.
    @Test(arguments: ServerFlavor.allCases)
    func aChunkThatIsRefusedTakesItsMetaMessageAlong(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor)
        try await fixture.store.put("a", ObjectBody("old"))
        try await fixture.setLargestMessage(2000)
        for key: ObjectKey in ["a", "b"] {
            let error = await #expect(throws: StorageError.self) {
                try await fixture.store.put(key, ObjectBody([UInt8](repeating: 1, count: 5000)))
            }
            #expect(error?.kind == .tooLarge)
        }
        #expect(try await fixture.store.text("a") == "old")
        #expect(try await fixture.store.list(ListQuery()).keys == ["a"])
        #expect(try await fixture.chunkCount() == 1)
        try await fixture.store.put("b", ObjectBody("small enough"))
        #expect(try await fixture.store.text("b") == "small enough")
        await fixture.close()
    }

    /// Whatever comes in between, no put is lost, doubled or left half done.
    @Test(arguments: ServerFlavor.allCases)
    func othersMayWriteInBetween(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor)
        let stores = [fixture.store, try await fixture.another()]
        let (tasks, puts) = (4, 100)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (number, store) in stores.enumerated() {
                for task in 0..<tasks {
                    group.addTask {
                        for put in 0..<puts {
                            let key = try ObjectKey(validating: "\(number)/\(task)/\(put % 50)")
                            let info = try await store.put(key, ObjectBody("\(put)"))
                            #expect(try await store.info(key).version == info.version)
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        for number in stores.indices {
            for task in 0..<tasks {
                for put in 50..<puts {
                    let key = try ObjectKey(validating: "\(number)/\(task)/\(put % 50)")
                    #expect(try await stores[1 - number].text(key) == "\(put)")
                }
            }
        }
        await stores[1].finishPurging()
        #expect(try await fixture.chunkCount() == stores.count * tasks * 50)
        await fixture.close()
    }

    @Test(arguments: ServerFlavor.allCases)
    func aStreamThatIsGoneIsSaid(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor)
        try await fixture.store.put("a", ObjectBody("old"))
        try await JetStream(fixture.control).deleteStream("OBJ_B")
        let error = await #expect(throws: StorageError.self) { try await fixture.store.put("b", ObjectBody("new")) }
        #expect(error?.kind == .unavailable)
        await fixture.close()
    }
}

extension Fixture {
    /// What the bucket holds, in order.
    fileprivate func messages() async throws -> [StoredMessage] {
        let stream = JetStream(control)
        var messages: [StoredMessage] = []
        while let next = try await stream.message(
            "OBJ_B", .nextBySubject(">", startSequence: (messages.last?.sequence ?? 0) + 1), direct: true)
        {
            messages.append(next)
        }
        return messages
    }

    fileprivate func setLargestMessage(_ bytes: Int) async throws {
        let stream = JetStream(control)
        _ = try await stream.updateStream("OBJ_B") { $0["max_msg_size"] = .integer(Int64(bytes)) }
    }
}

extension JetStreamStore {
    fileprivate func text(_ key: ObjectKey) async throws -> String {
        String(decoding: try await get(key).body.collect(upTo: 1 << 20), as: UTF8.self)
    }
}
