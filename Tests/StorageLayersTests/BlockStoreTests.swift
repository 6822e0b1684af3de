import FoundationEssentials
import Storage
import StorageLayers
import Synchronization
import TestSupport
import Testing

@Suite struct BlockStoreTests {
    private let base = MemoryStore()
    private let clock = TestClock()

    private func store(over base: (any Store)? = nil, blockSize: Int = 1 << 10) throws -> BlockStore {
        var options = BlockOptions()
        options.blockSize = blockSize
        return try BlockStore(base ?? self.base, options, now: clock.now)
    }

    private func blocks() async throws -> [ObjectKey] { try await base.list(ListQuery(prefix: "blocks/")).keys }

    @Test func conformance() async throws {
        // The longest keys leave no room for the layer's own part: they are refused.
        try await checkConformance(except: "keys/of-1024-bytes") { try BlockStore(MemoryStore()) }
        try await checkConformance(except: "keys/of-1024-bytes") {
            var options = BlockOptions()
            options.blockSize = 5000
            return try BlockStore(MemoryStore(), options)
        }
    }

    @Test func equalBytesAreKeptOnce() async throws {
        let store = try store()
        let content = bytes(2500)
        let first = try await store.put("a", ObjectBody(content))
        let versions = try await base.list(ListQuery(prefix: "blocks/", details: true)).objects?.map(\.version)
        #expect(versions?.count == 3)
        try await store.put("b/c", ObjectBody(content))
        try await store.put("a", ObjectBody(content))
        try await store.put("zeros", ObjectBody([UInt8](repeating: 0, count: 10 << 10)))
        let name = Digest(of: [UInt8](repeating: 0, count: 1024)).hexadecimal
        let after = try await base.list(ListQuery(prefix: "blocks/", details: true)).objects ?? []
        // Nothing was written of what was there; ten equal blocks are one.
        #expect(after.count == 4)
        #expect(after.filter { $0.key.rawValue != "blocks/" + name }.map(\.version) == versions)
        #expect(try await store.bytes("b/c") == content)
        #expect(try await store.bytes("zeros").count == 10 << 10)
        #expect(first.digest == Digest(of: content) && first.size == 2500 && first.attributes == ObjectAttributes())
        #expect(try await base.bytes("keys/a").count == 3 * 32 + 16)
    }

    @Test func partsReadTheirBlocksAlone() async throws {
        let probe = ProbeStore(base, object: [])
        let store = try store(over: probe)
        let content = bytes(10_000)
        try await store.put("a", ObjectBody(content))
        let before = probe.operations.filter { $0 == .get }.count
        let options = GetOptions(range: .bounded(first: 1000, last: 2100))
        #expect(try await store.get("a", options: options).body.collect(upTo: 5000) == Array(content[1000...2100]))
        // The reference and three blocks.
        #expect(probe.operations.filter { $0 == .get }.count == before + 4)
    }

    @Test func unreferencedBlocksGoAfterTheGrace() async throws {
        let store = try store()
        try await store.put("a", ObjectBody(bytes(2500)))
        try await store.put("b", ObjectBody("b"))
        try await store.put("c", ObjectBody("c"))
        try await store.delete("a")
        try await store.put("b", ObjectBody("b2"))
        #expect(try await store.collect().removed == 0)
        #expect(try await blocks().count == 6)
        clock.advance(3700)
        let collection = try await store.collect()
        #expect(collection.removed == 4 && collection.removedBytes == 2501 + 4 * 16)
        #expect(try await blocks().count == 2)
        #expect(try await store.bytes("b") == Array("b2".utf8))
        #expect(try await store.bytes("c") == Array("c".utf8))
        #expect(try await store.collect().removed == 0)
    }

    /// As a component looks after it: what expired is told as the layer shows it, and its blocks go on the schedule.
    @Test func itIsLookedAfter() async throws {
        let expiring = MemoryStore(now: clock.now)
        var options = BlockOptions()
        options.collectEvery = .milliseconds(1)
        let store = try BlockStore(expiring, options, now: clock.now)
        func lookAfter() async throws -> [ObjectInfo] {
            var told: [ObjectInfo] = []
            for maintain in store.maintainers { told += try await maintain().expired }
            return told
        }
        #expect(try await lookAfter() == [])
        try await store.put("stays", ObjectBody("stays"))
        let stored = try await store.put("a", ObjectBody("goes"), options: PutOptions(timeToLive: .seconds(10)))
        clock.advance(11)
        #expect(try await lookAfter() == [stored])
        #expect(try await expiring.list(ListQuery(prefix: "blocks/")).keys.count == 2)
        clock.advance(3700)
        try await eventually("the block that nobody uses stays") {
            #expect(try await lookAfter() == [])
            return try await expiring.list(ListQuery(prefix: "blocks/")).keys.count == 1
        }
        #expect(try await store.bytes("stays") == Array("stays".utf8))
        // Where it can't tell a block that has just come to use, it leaves them all.
        #expect(try self.store(over: ProbeStore(base, capabilities: [], object: [])).maintainers.isEmpty)
    }

    /// A put comes to use an old block between the moment when it was found unreferenced and its removal.
    @Test func aRacingPutKeepsItsBlock() async throws {
        let hooked = HookedStore(base)
        let store = try store(over: hooked)
        try await store.put("a", ObjectBody("bytes"))
        try await store.delete("a")
        clock.advance(3700)
        hooked.beforeDelete.withLock { $0 = { _ = try await store.put("new", ObjectBody("bytes")) } }
        #expect(try await store.collect().removed == 0)
        #expect(try await store.bytes("new") == Array("bytes".utf8))
        // And one that has found the block there when it goes: it comes back.
        try await store.delete("new")
        clock.advance(3700)
        let other = try self.store()
        hooked.beforePut.withLock { hook in
            hook = {
                let removed = try await other.collect().removed
                #expect(removed == 1)
            }
        }
        try await store.put("newer", ObjectBody("bytes"))
        #expect(try await store.bytes("newer") == Array("bytes".utf8))
        #expect(try await store.collect().removed == 0)
    }

    /// As an earlier version wrote them: blocks and lists of names, and nothing behind them.
    @Test func whatWasWrittenWithoutSaltIsRead() async throws {
        let store = try store()
        let content = bytes(2500)
        try await store.put("large", ObjectBody(content))
        try await store.put("small", ObjectBody("x"))
        for key in try await base.list(ListQuery()).keys {
            let object = try await base.get(key)
            let stored = try await object.body.collect(upTo: 10_000)
            let options = PutOptions(attributes: object.info.attributes)
            _ = try await base.put(key, ObjectBody(Array(stored.dropLast(16))), options: options)
        }
        #expect(try await base.bytes("keys/small") == [])
        #expect(try await store.bytes("large") == content)
        #expect(try await store.bytes("small") == Array("x".utf8))
        #expect(try await store.check().damaged == [])
        clock.advance(3700)
        // Put again, they are renewed as all others are.
        try await store.put("copy", ObjectBody(content))
        #expect(try await store.bytes("large") == content)
        try await store.delete("small")
        #expect(try await store.collect().removed == 1)
        #expect(try await store.bytes("copy") == content)
    }

    /// An upload that takes longer than the grace finds its first blocks removed, and says so instead of storing a torso.
    @Test func aSlowUploadIsNeverTorn() async throws {
        let store = try store()
        let chunks = Mutex(0)
        let body = ObjectBody(size: nil) { [clock] () async throws(StorageError) in
            let chunk = chunks.withLock { count in
                count += 1
                return count
            }
            if chunk > 3 { return nil }
            clock.advance(2000)
            _ = try await store.collect()
            return [UInt8](repeating: UInt8(chunk), count: 1024)
        }
        let error = await #expect(throws: StorageError.self) { try await store.put("a", body) }
        #expect(error?.kind == .unavailable && error?.message.contains("grace") == true)
        #expect(try await store.list(ListQuery()).keys == [])
    }

    @Test func damageIsFoundAndMended() async throws {
        let store = try store()
        let content = bytes(2500)
        try await store.put("a", ObjectBody(content))
        try await store.put("b", ObjectBody("sound"))
        let names = [content[0..<1024], content[1024..<2048], content[2048...]].map { Digest(of: $0) }
        let damaged = try ObjectKey(validating: "blocks/" + names[1].hexadecimal)
        try await base.put(damaged, ObjectBody([UInt8](repeating: 1, count: 1024)))
        let error = await #expect(throws: StorageError.self) { try await store.bytes("a") }
        #expect(error?.kind == .internal && error?.key == "a")
        var check = try await store.check()
        #expect(check.checked == 4 && check.damaged == [names[1]])
        check = try await store.check(removingDamaged: true)
        #expect(check.damaged == [names[1]])
        let missing = await #expect(throws: StorageError.self) { try await store.bytes("a") }
        #expect(missing?.kind == .internal && missing?.message.contains("missing") == true)
        // Whoever puts the bytes again mends every object that has them.
        try await store.put("copy", ObjectBody(content))
        #expect(try await store.bytes("a") == content)
        #expect(try await store.check().damaged == [])
    }

    /// Whoever can write to the store beneath can write any numbers.
    @Test(arguments: [
        ["9223372036854775807", "1"], ["9223372036854775807", "1048576"], ["1125899906842624", "1024"],
        ["100", "9223372036854775807"], ["100", "67108865"], ["-1", "1024"], ["1", "0"],
    ])
    func aReferenceThatIsNoneIsAnError(_ sizes: [String]) async throws {
        let store = try store()
        let values = [sizes[0], Digest(of: [0]).description, sizes[1]]
        let attributes = ObjectAttributes(metadata: ["Storage-Blocks": values])
        _ = try await base.put("keys/k", ObjectBody("x"), options: PutOptions(attributes: attributes))
        for range in [nil, ByteRange.suffix(1)] {
            await #expect { try await store.get("k", options: GetOptions(range: range)) } throws: {
                ($0 as? StorageError)?.kind == .internal
            }
        }
        try await base.put(try ObjectKey(validating: "blocks/" + Digest(of: [0]).hexadecimal), ObjectBody([0]))
        clock.advance(3700)
        await #expect { try await store.collect() } throws: { ($0 as? StorageError)?.kind == .internal }
    }

    @Test func whatItCannotDoIsRefused() async throws {
        let plain = ProbeStore(base, capabilities: [.createOnly], object: [])
        let store = try store(over: plain)
        #expect(store.capabilities == [.createOnly])
        let error = await #expect(throws: StorageError.self) { try await store.collect() }
        #expect(error?.kind == .unsupported)
        let attributes = ObjectAttributes(metadata: ["Storage-Blocks": ["x"]])
        let taken = await #expect(throws: StorageError.self) {
            try await store.put("a", ObjectBody("x"), options: PutOptions(attributes: attributes))
        }
        #expect(taken?.kind == .invalid)
        try await base.put("keys/foreign", ObjectBody("x"))
        let foreign = await #expect(throws: StorageError.self) { try await store.get("foreign") }
        #expect(foreign?.kind == .internal)
        #expect(throws: StorageError.self) { try self.store(blockSize: 1) }
    }
}

/// A store that does something once, right before a call.
private final class HookedStore: ForwardingStore {
    typealias Hook = @Sendable () async throws -> Void

    let base: any Store
    let beforeDelete = Mutex<Hook?>(nil)
    let beforePut = Mutex<Hook?>(nil)

    init(_ base: any Store) {
        self.base = base
    }

    private func run(_ hook: borrowing Mutex<Hook?>) async {
        let hook = hook.withLock { hook in
            defer { hook = nil }
            return hook
        }
        do { try await hook?() } catch { Issue.record(error) }
    }

    func delete(_ key: ObjectKey, options: DeleteOptions) async throws(StorageError) -> Bool {
        await run(beforeDelete)
        return try await base.delete(key, options: options)
    }

    func put(
        _ key: ObjectKey, _ body: ObjectBody, options: PutOptions
    ) async throws(StorageError) -> ObjectInfo {
        await run(beforePut)
        return try await base.put(key, body, options: options)
    }
}
