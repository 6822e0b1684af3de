import Foundation
import JetStreamStorage
import NATS
import Storage
import TestSupport
import Testing

/// What a watch of a bucket tells, of changes by this program and by others.
@Suite struct WatchTests {
    @Test(arguments: ServerFlavor.allCases)
    func eachChangeIsToldOnceItIsVisible(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor)
        let other = try await fixture.another()
        let reader = try await fixture.store.watch(WatchQuery()).makeAsyncIterator()
        for round in 0..<20 {
            let info = try await other.put("k", ObjectBody("\(round)"))
            #expect(try await reader.next() == .put(info))
        }
        let attributes = ObjectAttributes(contentType: "text/plain")
        let updated = try await fixture.store.setMetadata("k", attributes, options: SetMetadataOptions())
        #expect(try await reader.next() == .put(updated))
        try await other.delete("k")
        #expect(try await reader.next() == .deleted("k"))
        await fixture.close()
    }

    @Test(arguments: ServerFlavor.allCases)
    func whatIsThereComesFirst(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor)
        let store = fixture.store
        let kept = try await store.put("in/kept", ObjectBody("1"))
        try await store.put("in/gone", ObjectBody("2"))
        try await store.delete("in/gone")
        try await store.put("out/other", ObjectBody("3"))
        let reader = try await store.watch(WatchQuery(prefix: "in/", start: .current)).makeAsyncIterator()
        #expect(try await reader.next() == .put(kept))
        #expect(try await reader.next() == .caughtUp)
        try await store.put("out/another", ObjectBody("4"))
        let new = try await store.put("in/new", ObjectBody("5"))
        #expect(try await reader.next() == .put(new))
        let none = try await store.watch(WatchQuery(pattern: try KeyPattern(validating: "x/*"), start: .current))
        #expect(try await none.makeAsyncIterator().next() == .caughtUp)
        await fixture.close()
    }

    /// Writers race, so that servers pass over messages; what is told last of each key is what is there last.
    @Test(arguments: ServerFlavor.allCases)
    func ofAStormTheLastIsTold(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor)
        let changes = try await fixture.store.watch(WatchQuery())
        let other = try await fixture.another()
        async let storm: Void = withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<16 {
                group.addTask {
                    let store = writer % 2 == 0 ? other : fixture.store
                    for round in 0..<30 {
                        try await store.put(ObjectKey("k\(round % 8)")!, ObjectBody("\(writer) \(round)"))
                    }
                }
            }
            try await group.waitForAll()
            try await other.put("end", ObjectBody(""))
        }
        var told: [ObjectKey: Int] = [:]
        for try await change in changes {
            guard case .put(let info) = change else { continue }
            if info.key == "end" { break }
            let version = try #require(Int(info.version.description))
            #expect(version > told[info.key] ?? 0, "\(info.key) goes back")
            told[info.key] = version
        }
        try await storm
        #expect(told.count == 8)
        for (key, version) in told {
            #expect(try await fixture.store.info(key).version.description == String(version))
        }
        await fixture.close()
    }

    @Test(arguments: ServerFlavor.allCases)
    func aWatchOutlivesTheServer(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor) { $0.timeout = .seconds(5) }
        let reader = try await fixture.store.watch(WatchQuery()).makeAsyncIterator()
        let first = try await fixture.store.put("a", ObjectBody("1"))
        #expect(try await reader.next() == .put(first))
        fixture.server.kill()
        async let next = reader.next()
        try await Task.sleep(for: .milliseconds(300))
        try await fixture.server.start()
        try await eventually("no put after the restart") {
            (try? await fixture.store.put("b", ObjectBody("2"))) != nil
        }
        #expect(try await next?.key == "b")
        await fixture.close()
    }

    @Test(arguments: ServerFlavor.allCases)
    func shutdownAndCancellationEndIt(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor)
        let cancelled = Task { [store = fixture.store] () -> StorageError.Kind? in
            do throws(StorageError) {
                _ = try await store.watch(WatchQuery()).makeAsyncIterator().next()
                return nil
            } catch {
                return error.kind
            }
        }
        try await Task.sleep(for: .milliseconds(100))
        cancelled.cancel()
        #expect(await cancelled.value == .cancelled)
        let reader = try await fixture.store.watch(WatchQuery()).makeAsyncIterator()
        async let end = reader.next()
        await fixture.store.shutdown()
        #expect(try await end == nil)
        await fixture.close()
    }

    @Test func aQueryOutOfRangeIsRefused() async throws {
        let fixture = try await Fixture(.newest)
        await #expect(throws: StorageError.self) { _ = try await fixture.store.watch(WatchQuery(capacity: 0)) }
        await fixture.close()
    }
}
