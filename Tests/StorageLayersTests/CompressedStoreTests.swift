import Compression
import Storage
import StorageLayers
import TestSupport
import Testing

@Suite struct CompressedStoreTests {
    private let base = MemoryStore()
    private var store: CompressedStore { CompressedStore(base) }
    private let text = Array(String(repeating: "all work and no play. ", count: 10_000).utf8)

    @Test func whatIsStoredIsSmallerAndReadableByGzip() async throws {
        for (key, body) in [("at-hand", ObjectBody(text)), ("streamed", .stream(text))] as [(ObjectKey, ObjectBody)] {
            let info = try await store.put(key, body)
            #expect(info.size == text.count && info.digest == Digest(of: text) && info.attributes.metadata == [:])
            let stored = try await base.info(key)
            #expect(stored.size < text.count / 50)
            #expect(stored.attributes.metadata.keys.sorted() == ["Storage-Compressed"])
            #expect(try await base.bytes(key).prefix(3) == [0x1f, 0x8b, 8])
            #expect(try await store.bytes(key) == text)
            #expect(try await store.list(ListQuery(prefix: key.rawValue, details: true)).objects == [info])
        }
    }

    @Test func whatWouldNotBecomeSmallerIsStoredAsItIs() async throws {
        let noise = (0..<5000).map { _ in UInt8.random(in: 0...255) }
        try await store.put("noise", ObjectBody(noise))
        try await store.put("small", ObjectBody("aaaaaaaa"))
        let encoded = ObjectAttributes(contentEncoding: "br")
        _ = try await store.put("encoded", ObjectBody(text), options: PutOptions(attributes: encoded))
        for key in ["noise", "small", "encoded"] as [ObjectKey] {
            #expect(try await base.info(key) == (try await store.info(key)))
        }
        #expect(try await store.bytes("noise") == noise)
        try await store.put("streamed noise", .stream(noise))
        #expect(try await store.bytes("streamed noise") == noise)
    }

    @Test func whatWasStoredPastTheLayerIsRead() async throws {
        let info = try await base.put("k", ObjectBody(text))
        #expect(try await store.get("k").info == info)
        let part = try await store.get("k", options: GetOptions(range: .from(text.count - 5)))
        #expect(try await part.body.collect(upTo: 10) == Array(text.suffix(5)))
        await #expect { try await store.get("k", options: GetOptions(range: .from(text.count))) } throws: {
            ($0 as? StorageError)?.kind == .rangeNotSatisfiable && ($0 as? StorageError)?.size == text.count
        }
    }

    @Test func partsAreOfTheContent() async throws {
        let content = bytes(500_000)
        try await store.put("k", ObjectBody(content))
        try await store.put("repeats", ObjectBody(text))
        for range in [0..<1, 65_535..<65_537, 400_000..<500_000, 499_999..<500_000] {
            let part = try await store.get(
                "k", options: GetOptions(range: .bounded(first: range.lowerBound, last: range.upperBound - 1)))
            #expect(part.range == range && part.info.size == content.count)
            #expect(try await part.body.collect(upTo: 500_000) == Array(content[range]))
        }
        // Beyond the compressed bytes, but within the content.
        let part = try await store.get("repeats", options: GetOptions(range: .suffix(100)))
        #expect(try await part.body.collect(upTo: 100) == Array(text.suffix(100)))
    }

    @Test func theNameIsTheStoresOwn() async throws {
        let attributes = ObjectAttributes(metadata: ["Storage-Compressed": ["gzip"]])
        let error = await #expect(throws: StorageError.self) {
            try await store.put("k", ObjectBody("x"), options: PutOptions(attributes: attributes))
        }
        #expect(error?.kind == .invalid)
        try await store.put("k", ObjectBody(text))
        await #expect(throws: StorageError.self) {
            try await store.setMetadata("k", attributes, options: SetMetadataOptions())
        }
        #expect(try await store.bytes("k") == text)
    }

    @Test func metadataNeedAStoreThatComparesVersions() async throws {
        let plain = ProbeStore(base, capabilities: [.metadataUpdate, .createOnly], object: [])
        let store = CompressedStore(plain)
        #expect(store.capabilities == [.createOnly])
        try await store.put("k", ObjectBody(text))
        await #expect { try await store.setMetadata("k", .init(), options: .init()) } throws: {
            ($0 as? StorageError)?.kind == .unsupported
        }
    }

    @Test func damageIsNoticed() async throws {
        try await store.put("k", ObjectBody(text))
        let stored = try await base.bytes("k")
        let attributes = try await base.info("k").attributes
        var flipped = stored
        flipped[stored.count / 2] ^= 1
        var wrongSum = stored
        wrongSum[stored.count - 8] ^= 1
        for damaged in [[], Array(stored.dropLast()), stored + [0], flipped, wrongSum, stored + stored] {
            _ = try await base.put("k", ObjectBody(damaged), options: PutOptions(attributes: attributes))
            let error = await #expect(throws: StorageError.self) { try await store.bytes("k") }
            #expect(error?.kind == .internal && error?.key == "k")
        }
    }

    @Test func aBombStopsAtTheSizeTold() async throws {
        let encoder = try GzipEncoder(level: 9)
        var bomb: [UInt8] = []
        for _ in 0..<200 { bomb += try encoder.encode([UInt8](repeating: 0, count: 1 << 20), isLast: false) }
        bomb += try encoder.encode([], isLast: true)
        let values = ["gzip", "1000", Digest(of: [0]).description]
        let options = PutOptions(attributes: ObjectAttributes(metadata: ["Storage-Compressed": values]))
        _ = try await base.put("k", .stream(bomb, chunk: 100_000), options: options)
        var count = 0
        let error = await #expect(throws: StorageError.self) {
            for try await chunk in try await store.get("k").body { count += chunk.count }
        }
        #expect(error?.kind == .internal && count <= 1000)
    }

    @Test(arguments: [["gzip"], ["gzip", "-1", "x"], ["zip", "1", "x"], ["gzip", "99999999999999999999", "x"], []])
    func aMarkOfNoKnownFormIsMetadata(_ values: [String]) async throws {
        let attributes = ObjectAttributes(metadata: ["Storage-Compressed": values])
        let info = try await base.put("k", ObjectBody("x"), options: PutOptions(attributes: attributes))
        #expect(try await store.info("k") == info)
        #expect(try await store.bytes("k") == Array("x".utf8))
    }
}
