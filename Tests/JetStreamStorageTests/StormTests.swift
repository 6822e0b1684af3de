import Foundation
import JetStreamStorage
import NATS
import Storage
import Synchronization
import TestSupport
import Testing

/// What the writers tell the readers.
private final class Storm: Sendable {
    private let state = Mutex((keys: Set<ObjectKey>(), isOver: false))

    var acknowledged: Set<ObjectKey> { state.withLock { $0.keys } }
    var isOver: Bool { state.withLock { $0.isOver } }

    func acknowledge(_ key: ObjectKey) { state.withLock { _ = $0.keys.insert(key) } }
    func end() { state.withLock { $0.isOver = true } }
}

/// Many writers of few keys, readers and listers among them.
@Suite struct StormTests {
    private static let writers = 64
    private static let rounds = 200

    @Test(arguments: ServerFlavor.allCases)
    func aStormLeavesNoOrphanAndHidesNoKey(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor)
        let store = fixture.store
        let storm = Storm()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    while !storm.isOver { try await Self.look(store, storm) }
                }
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for writer in 0..<Self.writers {
                    group.addTask { try await Self.write(writer, store, storm) }
                }
                try await group.waitForAll()
            }
            storm.end()
            try await group.waitForAll()
        }
        #expect(try await fixture.chunkCount() == 8)
        let page = try await store.list(ListQuery())
        #expect(page.keys.count == 8 + Self.writers * 4)
        await fixture.close()
    }

    /// Overwrites eight keys that all share, and now and then makes a new one.
    private static func write(
        _ writer: Int, _ store: JetStreamStore, _ storm: Storm
    ) async throws {
        for round in 0..<rounds {
            let content = [UInt8](repeating: UInt8.random(in: 0...255), count: 300)
            _ = try await store.put(ObjectKey(validating: "shared/\(round % 8)"), ObjectBody(content))
            guard round % 50 == 0 else { continue }
            let key = try ObjectKey(validating: "own/\(writer)/\(round)")
            try await store.put(key, ObjectBody([]))
            storm.acknowledge(key)
        }
    }

    /// A list holds every key that was acknowledged before it began; every read is of one writer's bytes.
    private static func look(_ store: JetStreamStore, _ storm: Storm) async throws {
        let known = storm.acknowledged
        let listed = Set(try await store.list(ListQuery(prefix: "own/")).keys)
        let hidden = known.subtracting(listed).sorted()
        #expect(hidden.isEmpty)
        let key = try ObjectKey(validating: "shared/\(Int.random(in: 0..<8))")
        do throws(StorageError) {
            let bytes = try await store.bytes(key)
            #expect(bytes.count == 300 && Set(bytes).count == 1)
        } catch {
            #expect(error.kind == .notFound)
        }
        try await Task.sleep(for: .milliseconds(2))
    }
}
