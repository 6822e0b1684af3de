import Crypto
import Storage
import StorageLayers
import TestSupport
import Testing

@Suite struct EncryptedStoreTests {
    private let base = MemoryStore()
    private let first = SymmetricKey(size: .bits256)
    private let second = SymmetricKey(size: .bits256)

    private func store(
        _ keys: [String: SymmetricKey]? = nil, current: String = "1", chunk: Int = 1 << 10, plaintext: Bool = false
    ) throws -> EncryptedStore {
        var options = EncryptionOptions()
        options.chunkSize = chunk
        options.readsPlaintext = plaintext
        return EncryptedStore(base, keys: try EncryptionKeys(keys ?? ["1": first], current: current), options)
    }

    @Test func nothingOfTheContentIsStored() async throws {
        let store = try store()
        let content = Array(String(repeating: "very secret ", count: 1000).utf8)
        for body in [ObjectBody(content), .stream(content)] {
            let info = try await store.put("k", body)
            #expect(info.size == content.count && info.digest == Storage.Digest(of: content))
            let stored = try await base.bytes("k")
            #expect(!String(decoding: stored, as: UTF8.self).contains("secret"))
            #expect(stored.count == content.count + 12 * 16)
            let metadata = try await base.info("k").attributes.metadata
            #expect(metadata.keys.sorted() == ["Storage-Encrypted"] && metadata["Storage-Encrypted"]?[1] == "1")
            #expect(!"\(metadata)".contains(info.digest?.description ?? "none"))
            #expect(try await store.bytes("k") == content)
        }
        let one = try await base.bytes("k")
        try await store.put("k", ObjectBody(content))
        #expect(try await base.bytes("k") != one, "the same content is never stored as the same bytes")
    }

    @Test func aPartReadsItsChunksAlone() async throws {
        let store = try store()
        let content = bytes(100_000)
        try await store.put("k", ObjectBody(content))
        var faults = Faults()
        // More than two chunks of the body fail.
        faults.cut = .failing(after: 2 * 1040)
        let narrow = EncryptedStore(FaultyStore(base, faults), keys: try EncryptionKeys(["1": first], current: "1"))
        for range in [0..<1, 1023..<1025, 50_000..<51_000, 99_999..<100_000, 98_000..<99_000] {
            let bounds = ByteRange.bounded(first: range.lowerBound, last: range.upperBound - 1)
            let part = try await narrow.get("k", options: GetOptions(range: bounds))
            #expect(part.range == range && part.info.size == content.count)
            #expect(try await part.body.collect(upTo: 2000) == Array(content[range]))
        }
        await #expect(throws: StorageError.self) { try await narrow.bytes("k") }
    }

    /// What somebody who can write to the store beneath could try.
    @Test func everyChangeIsNoticed() async throws {
        let store = try store()
        let content = bytes(5000)
        try await store.put("k", ObjectBody(content))
        let sealed = try await base.bytes("k")
        let attributes = try await base.info("k").attributes
        let chunk = 1024 + 16
        let chunks = stride(from: 0, to: sealed.count, by: chunk).map {
            Array(sealed[$0..<min($0 + chunk, sealed.count)])
        }
        #expect(chunks.count == 5)
        var flipped = sealed
        flipped[2000] ^= 1
        let changes: [String: [UInt8]] = [
            "a bit": flipped, "the last chunk left out": Array(chunks.dropLast().joined()),
            "the first left out": Array(chunks.dropFirst().joined()), "nothing left": [],
            "a byte less": Array(sealed.dropLast()), "a byte more": sealed + [0],
            "a chunk more": sealed + chunks[4],
            "two swapped": chunks[1] + chunks[0] + Array(chunks[2...].joined()),
            "one doubled": chunks[0] + chunks[0] + Array(chunks[2...].joined()),
        ]
        for (what, bytes) in changes {
            for body in [ObjectBody(bytes), .stream(bytes)] {
                _ = try await ProbeStore(base, object: []).put("k", body, options: PutOptions(attributes: attributes))
                let streamed = EncryptedStore(streaming(base), keys: try EncryptionKeys(["1": first], current: "1"))
                for reader in [store, streamed] {
                    let error = await #expect(throws: StorageError.self, "\(what)") { try await reader.bytes("k") }
                    #expect(error?.kind == .internal, "\(what): \(error.map(String.init(describing:)) ?? "")")
                }
            }
        }
        // Under another name, or with another object's header, it is no object.
        _ = try await base.put("other", ObjectBody(sealed), options: PutOptions(attributes: attributes))
        await #expect { try await store.bytes("other") } throws: { ($0 as? StorageError)?.kind == .internal }
        try await store.put("new", ObjectBody(content))
        _ = try await base.put(
            "new", ObjectBody(sealed), options: PutOptions(attributes: try await base.info("new").attributes))
        await #expect { try await store.bytes("new") } throws: { ($0 as? StorageError)?.kind == .internal }
    }

    @Test func partsOfADamagedObjectAreNotReadEither() async throws {
        let store = try store()
        try await store.put("k", ObjectBody(bytes(5000)))
        let attributes = try await base.info("k").attributes
        let sealed = try await base.bytes("k")
        _ = try await base.put("k", ObjectBody(Array(sealed.prefix(1040))), options: PutOptions(attributes: attributes))
        for range in [ByteRange.suffix(1), .from(1000), .bounded(first: 2000, last: 2001)] {
            await #expect("\(range)") {
                try await store.get("k", options: GetOptions(range: range)).body.collect(upTo: 5000)
            } throws: {
                ($0 as? StorageError)?.kind == .internal
            }
        }
    }

    @Test func keysAreRotated() async throws {
        let content = bytes(3000)
        let attributes = ObjectAttributes(contentType: "a/b", metadata: ["m": ["1"]])
        _ = try await store().put("k", ObjectBody(content), options: PutOptions(attributes: attributes))
        let both = try store(["1": first, "2": second], current: "2")
        #expect(try await both.bytes("k") == content)
        let sealed = try await base.bytes("k")
        #expect(try await both.rotate("k"))
        #expect(try await both.rotate("k") == false)
        #expect(try await base.bytes("k") == sealed)
        let late = try store(["2": second], current: "2")
        #expect(try await late.bytes("k") == content)
        #expect(try await late.info("k").attributes == attributes)
        let error = await #expect(throws: StorageError.self) { try await store().bytes("k") }
        #expect(error?.kind == .internal && error?.message.contains("“2”") == true)
        let wrong = try store(["2": first], current: "2")
        await #expect { try await wrong.bytes("k") } throws: { ($0 as? StorageError)?.kind == .internal }
        // A listing goes on, with what is known.
        #expect(try await wrong.list(ListQuery(details: true)).objects?.first?.size == sealed.count)
    }

    @Test func aWholePrefixIsRotated() async throws {
        let early = try store()
        for number in 0..<5 { try await early.put(try ObjectKey(validating: "a/\(number)"), ObjectBody("\(number)")) }
        try await early.put("b", ObjectBody("b"))
        let late = try store(["1": first, "2": second], current: "2")
        try await late.put("a/new", ObjectBody("new"))
        let attributes = ObjectAttributes(metadata: ["Storage-Encrypted": ["1", "unknown", "AAAA"]])
        _ = try await base.put("a/foreign", ObjectBody("x"), options: PutOptions(attributes: attributes))
        var told: [Int] = []
        let rotation = try await late.rotate(prefix: "a/") { told.append($0.rotated) }
        #expect(rotation.rotated == 5 && rotation.untouched == 1 && rotation.failed == 1 && told == [5])
        #expect(rotation.failure?.kind == .internal && rotation.failure?.key == "a/foreign")
        let without = try store(["2": second], current: "2")
        for number in 0..<5 {
            #expect(try await without.bytes(try ObjectKey(validating: "a/\(number)")) == Array("\(number)".utf8))
        }
        await #expect(throws: StorageError.self) { try await without.bytes("b") }
    }

    @Test func plaintextIsReadWhereThatIsAllowed() async throws {
        try await base.put("k", ObjectBody("plain"))
        for range in [nil, ByteRange.from(0)] {
            await #expect { try await store().get("k", options: GetOptions(range: range)) } throws: {
                ($0 as? StorageError)?.kind == .internal
            }
            let object = try await store(plaintext: true).get("k", options: GetOptions(range: range))
            #expect(try await object.body.collect(upTo: 10) == Array("plain".utf8))
        }
        await #expect(throws: StorageError.self) { try await store().info("k") }
        // Nor is it changed, where it must not be read.
        let before = try await base.info("k")
        let attributes = ObjectAttributes(contentType: "a/b")
        await #expect(throws: StorageError.self) { try await store().setMetadata("k", attributes, options: .init()) }
        #expect(try await base.info("k") == before)
        #expect(try await store(plaintext: true).info("k").size == 5)
    }

    @Test(arguments: [[], ["1"], ["1", "1", "%%%"], ["1", "1", "AAAA"], ["2", "1", "AAAA"], ["1", "", ""]])
    func aHeaderOfNoKnownFormIsDamage(_ values: [String]) async throws {
        let attributes = ObjectAttributes(metadata: ["Storage-Encrypted": values])
        _ = try await base.put("k", ObjectBody("x"), options: PutOptions(attributes: attributes))
        await #expect { try await store(plaintext: true).bytes("k") } throws: {
            ($0 as? StorageError)?.kind == .internal
        }
    }

    @Test func keysAreChecked() throws {
        #expect(throws: StorageError.self) { try EncryptionKeys(["1": .init(size: .bits128)], current: "1") }
        #expect(throws: StorageError.self) { try EncryptionKeys(["1": first], current: "2") }
        #expect(throws: StorageError.self) { try EncryptionKeys(["": first], current: "") }
        #expect(throws: StorageError.self) { try EncryptionKeys(["a\nb": first], current: "a\nb") }
        let text = String(repeating: "0f", count: 32)
        #expect(EncryptionKeys.key(parsing: text) == SymmetricKey(data: [UInt8](repeating: 15, count: 32)))
        #expect(EncryptionKeys.key(parsing: "Dw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8=") != nil)
        for text in ["", "short", String(repeating: "0g", count: 32), "Dw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8"] {
            #expect(EncryptionKeys.key(parsing: text) == nil)
        }
    }
}

/// A store whose bodies come as streams.
private func streaming(_ base: any Store) -> any Store {
    var faults = Faults()
    faults.cut = .failing(after: .max)
    return FaultyStore(base, faults)
}
