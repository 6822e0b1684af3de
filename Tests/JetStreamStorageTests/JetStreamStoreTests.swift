import Foundation
import JetStreamStorage
import NATS
import Storage
import Synchronization
import TestSupport
import Testing

@Suite struct JetStreamStoreTests {
    static let keys: [ObjectKey] = ["a", "with space", "ü/日本", "+%~*>", "a/b/c", "x.y"]

    @Test(arguments: ServerFlavor.allCases)
    func sizesAroundAChunk(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor) { $0.chunkSize = 1000 }
        let store = fixture.store
        for (number, count) in [0, 1, 999, 1000, 1001, 2000, 10_500].enumerated() {
            let key = Self.keys[number % Self.keys.count]
            let content = bytes(count)
            let attributes = ObjectAttributes(
                contentType: "a/b", contentEncoding: "gzip", metadata: ["X": ["1", "2"], "ü": ["ö"]])
            let info = try await store.put(key, ObjectBody(content), options: PutOptions(attributes: attributes))
            #expect(info.size == count)
            #expect(info.digest == Digest(of: content))
            let object = try await store.get(key)
            #expect(try await object.body.collect(upTo: 1 << 20) == content)
            #expect(object.info.attributes == attributes)
            #expect(object.info.version == info.version)
            #expect(try await store.info(key).digest == info.digest)
        }
        for range in [ByteRange.bounded(first: 0, last: 0), .bounded(first: 999, last: 1000), .suffix(3), .from(9999)] {
            let object = try await store.get("a", options: GetOptions(range: range))
            let expected = bytes(10_500)[try range.resolve(size: 10_500)]
            #expect(try await object.body.collect(upTo: 1 << 20) == Array(expected))
        }
        await fixture.close()
    }

    @Test(arguments: ServerFlavor.allCases)
    func replacingAndDeletingLeaveNoChunk(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor) { $0.chunkSize = 1000 }
        let store = fixture.store
        try await store.put("k", ObjectBody(bytes(5000)))
        try await store.put("k", ObjectBody(bytes(2500)))
        #expect(try await fixture.chunkCount() == 3)
        #expect(try await store.delete("k"))
        #expect(try await store.delete("k") == false)
        #expect(try await store.delete("never") == false)
        #expect(try await fixture.chunkCount() == 0)
        await #expect { try await store.get("k") } throws: { ($0 as? StorageError)?.kind == .notFound }
        #expect(try await store.list(ListQuery()) == ListPage())
        let again = PutOptions(precondition: .absent)
        _ = try await store.put("k", ObjectBody("1"), options: again)
        await #expect { try await store.put("k", ObjectBody("2"), options: again) } throws: {
            ($0 as? StorageError)?.kind == .preconditionFailed
        }
        await fixture.close()
    }

    @Test(arguments: ServerFlavor.allCases)
    func oneOfManyCreatorsWins(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor) { $0.chunkSize = 1000 }
        let store = fixture.store
        let outcomes = await withTaskGroup(of: StorageError.Kind?.self) { group in
            for number in 0..<64 {
                group.addTask {
                    do throws(StorageError) {
                        let content = [UInt8](repeating: UInt8(number), count: 2500)
                        let options = PutOptions(precondition: .absent)
                        _ = try await store.put("key", ObjectBody(content), options: options)
                        return nil
                    } catch {
                        return error.kind
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(outcomes.filter { $0 == nil }.count == 1)
        #expect(outcomes.filter { $0 == .preconditionFailed }.count == 63)
        #expect(try await fixture.chunkCount() == 3)
        #expect(Set(try await store.bytes("key")).count == 1)
        await fixture.close()
    }

    @Test(arguments: ServerFlavor.allCases)
    func racingOverwritesLeaveNoOrphan(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor) { $0.chunkSize = 1000 }
        let store = fixture.store
        try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<16 {
                group.addTask {
                    for round in 0..<5 {
                        let content = [UInt8](repeating: UInt8(writer * 5 + round), count: 1500)
                        try await store.put(round % 2 == 0 ? "a" : "b", ObjectBody(content))
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try await fixture.chunkCount() == 4)
        for key: ObjectKey in ["a", "b"] { #expect(Set(try await store.bytes(key)).count == 1) }
        await fixture.close()
    }

    @Test(arguments: ServerFlavor.allCases)
    func compareAndSwapLosesNoIncrement(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor)
        let store = fixture.store
        try await store.put("n", ObjectBody("0"))
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<5 { group.addTask { for _ in 0..<10 { await increment(store) } } }
        }
        #expect(try await store.bytes("n") == Array("50".utf8))
        #expect(try await fixture.chunkCount() == 1)
        await fixture.close()
    }

    private func increment(_ store: JetStreamStore) async {
        while true {
            guard let object = try? await store.get("n"), let bytes = try? await object.body.collect(upTo: 100),
                let value = Int(String(decoding: bytes, as: UTF8.self))
            else { continue }
            let options = PutOptions(precondition: .matches(object.info.version))
            if (try? await store.put("n", ObjectBody("\(value + 1)"), options: options)) != nil { return }
        }
    }

    @Test(arguments: ServerFlavor.allCases)
    func failedPutsLeaveNothing(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor) { $0.chunkSize = 1000 }
        let store = fixture.store
        try await store.put("k", ObjectBody("old"))
        let wrong = PutOptions(expectedDigest: Digest(of: [1]))
        await #expect { try await store.put("k", ObjectBody(bytes(5000)), options: wrong) } throws: {
            ($0 as? StorageError)?.kind == .digestMismatch
        }
        let pulls = Mutex(0)
        let stalling = ObjectBody(size: nil) { () async throws(StorageError) in
            let isFirst = pulls.withLock { pulls in
                pulls += 1
                return pulls == 1
            }
            if isFirst { return bytes(3000) }
            try? await Task.sleep(for: .seconds(60))
            return [1]
        }
        let put = Task { try await store.put("k", stalling) }
        while try await fixture.chunkCount() < 3 { await Task.yield() }
        put.cancel()
        await #expect { try await put.value } throws: { ($0 as? StorageError)?.kind == .cancelled }
        #expect(try await fixture.chunkCount() == 1)
        #expect(try await store.bytes("k") == Array("old".utf8))
        await fixture.close()
    }

    @Test(arguments: ServerFlavor.allCases)
    func sameMessageIDStoresOnce(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor)
        let store = fixture.store
        let first = try await store.put("one", ObjectBody("1"), options: PutOptions(messageID: "m"))
        let second = try await store.put("two", ObjectBody("2"), options: PutOptions(messageID: "m"))
        #expect(second.key == first.key && second.version == first.version)
        #expect(try await store.list(ListQuery()).keys == ["one"])
        #expect(try await fixture.chunkCount() == 1)
        await fixture.close()
    }

    @Test(arguments: ServerFlavor.allCases)
    func listingFollowsEveryChange(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor)
        let store = fixture.store
        let names = (0..<300).map { String(format: "d/%03d", $0) }
        for name in names.shuffled() { try await store.put(ObjectKey(validating: name), ObjectBody("x")) }
        var listed: [String] = []
        for try await key in store.keys(ListQuery(prefix: "d/", limit: 77)) { listed.append(key.rawValue) }
        #expect(listed == names)
        try await store.delete("d/100")
        try await store.put("e", ObjectBody("y"))
        let page = try await store.list(ListQuery(delimiter: "/", details: true))
        #expect(page.keys == ["e"] && page.prefixes == ["d/"] && page.objects?.first?.size == 1)
        #expect(try await store.list(ListQuery(prefix: "d/1", limit: 1000)).keys.count == 99)
        await fixture.close()
    }

    @Test(arguments: ServerFlavor.allCases)
    func expiryAndMetadata(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor)
        let store = fixture.store
        let options = PutOptions(timeToLive: .seconds(8))
        let info = try await store.put("t", ObjectBody("x"), options: options)
        #expect(info.expires != nil)
        let changed = try await store.setMetadata(
            "t", ObjectAttributes(contentType: "x/y", metadata: ["a": ["b"]]), options: SetMetadataOptions())
        #expect(changed.version != info.version && changed.digest == info.digest)
        #expect(try await store.info("t").expires == changed.expires)
        #expect(try await store.bytes("t") == Array("x".utf8))
        while true {
            do throws(StorageError) {
                _ = try await store.get("t")
                try? await Task.sleep(for: .milliseconds(100))
            } catch {
                #expect(error.kind == .notFound)
                break
            }
        }
        #expect(try await store.list(ListQuery()).keys.isEmpty)
        _ = try await store.put("t", ObjectBody("y"), options: PutOptions(precondition: .absent))
        #expect(try await fixture.chunkCount() == 1)
        await fixture.close()
    }

    @Test(arguments: ServerFlavor.allCases)
    func smallPayloadLimit(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor, configuration: "max_payload: 65536")
        let content = bytes(300_000)
        try await fixture.store.put("k", ObjectBody(content))
        #expect(try await fixture.store.bytes("k") == content)
        let huge = ObjectAttributes(metadata: ["m": [String(repeating: "x", count: 70_000)]])
        await #expect {
            try await fixture.store.put("k", ObjectBody("1"), options: PutOptions(attributes: huge))
        } throws: { ($0 as? StorageError)?.kind == .tooLarge }
        #expect(try await fixture.store.bytes("k") == content)
        await fixture.close()
    }

    @Test(arguments: ServerFlavor.allCases)
    func serverKilledAndBack(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor) { $0.timeout = .seconds(3) }
        let content = bytes(500_000)
        try await fixture.store.put("k", ObjectBody(content))
        let object = try await fixture.store.get("k")
        var reader = object.body.makeAsyncIterator()
        var read = try #require(try await reader.next())
        fixture.server.kill()
        await #expect { try await fixture.store.put("k2", ObjectBody(content)) } throws: {
            ($0 as? StorageError)?.errorClass == .transient
        }
        try await fixture.server.start()
        try await eventually("no info") { (try? await fixture.store.info("k")) != nil }
        try await eventually("no get") { (try? await fixture.store.bytes("k")) != nil }
        while let chunk = try await reader.next() { read += chunk }
        #expect(read == content)
        await fixture.close()
    }
}
