import Storage
import StorageLayers
import Synchronization
import TestSupport
import Testing

@Suite struct ShardedChangesTests {
    @Test func changesOfAKeyStayInOrderAcrossShards() async throws {
        let store = ObservedStore(MemoryStore(), ObserveOptions(overflow: .block))
        let changes = try await store.watch(WatchQuery(capacity: 10))
        let seen = Shared((byKey: [ObjectKey: [Int]](), atOnce: 0, most: 0))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await changes.forEach(shards: 4, buffer: 3) { change in
                    guard case .put(let info) = change else { return }
                    seen.withLock { seen in
                        seen.atOnce += 1
                        seen.most = max(seen.most, seen.atOnce)
                    }
                    try await Task.sleep(for: .microseconds(Int.random(in: 0...300)))
                    seen.withLock { seen in
                        seen.byKey[info.key, default: []].append(Int(info.version.description) ?? -1)
                        seen.atOnce -= 1
                    }
                }
            }
            for round in 0..<600 {
                try await store.put(try ObjectKey(validating: "key/\(round % 20)"), ObjectBody("x"))
            }
            await store.shutdown()
            try await group.waitForAll()
        }
        let (byKey, _, most) = seen.withLock { $0 }
        #expect(byKey.count == 20 && byKey.values.allSatisfy { $0.count == 30 && $0 == $0.sorted() })
        #expect(most > 1 && most <= 4)
    }

    @Test func whatBelongsToNoKeyIsHandledBetweenTheOthers() async throws {
        let store = ObservedStore(MemoryStore())
        let changes = try await store.watch(WatchQuery(capacity: 4))
        for number in 0..<10 { try await store.put(try ObjectKey(validating: "\(number)"), ObjectBody("x")) }
        await store.shutdown()
        let told = Mutex<[StoreChange]>([])
        try await changes.forEach(shards: 3) { change in told.withLock { $0.append(change) } }
        let found = told.withLock { $0 }
        #expect(found.count == 5 && found.last == .lagged(dropped: 6))
    }

    @Test func theFirstErrorEndsIt() async throws {
        struct Failure: Error {}
        let store = ObservedStore(MemoryStore())
        let changes = try await store.watch(WatchQuery())
        for number in 0..<10 { try await store.put(try ObjectKey(validating: "\(number)"), ObjectBody("x")) }
        await #expect(throws: Failure.self) {
            try await changes.forEach(shards: 3) { change in if change.key == "5" { throw Failure() } }
        }
        await store.shutdown()
    }
}

/// A value that several tasks change.
final class Shared<Value: Sendable>: Sendable {
    private let value: Mutex<Value>

    init(_ value: Value) {
        self.value = Mutex(value)
    }

    func withLock<Result>(_ body: (inout Value) -> Result) -> Result {
        value.withLock { value in body(&value) }
    }
}
