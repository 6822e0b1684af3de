import Compression
import Storage
import StorageLayers
import TestSupport
import Testing

@Suite struct CompressedStoreTests {
    private let base = MemoryStore()
    private var store: CompressedStore { CompressedStore(base) }
    private func store(_ algorithm: CompressionAlgorithm, level: Int? = nil) -> CompressedStore {
        var options = CompressionOptions()
        (options.algorithm, options.level) = (algorithm, level)
        return CompressedStore(base, options)
    }
    private let text = Array(String(repeating: "all work and no play. ", count: 10_000).utf8)

    /// By every tool: what is stored is one gzip member, or one Zstandard frame.
    @Test(arguments: [(CompressionAlgorithm.gzip, [0x1f, 0x8b, 8] as [UInt8]), (.zstd, [0x28, 0xb5, 0x2f, 0xfd])])
    func whatIsStoredIsSmallerAndOfTheFormat(_ algorithm: CompressionAlgorithm, _ magic: [UInt8]) async throws {
        let store = store(algorithm)
        for (key, body) in [("at-hand", ObjectBody(text)), ("streamed", .stream(text))] as [(ObjectKey, ObjectBody)] {
            let info = try await store.put(key, body)
            #expect(info.size == text.count && info.digest == Digest(of: text) && info.attributes.metadata == [:])
            let stored = try await base.info(key)
            #expect(stored.size < text.count / 50)
            #expect(stored.attributes.metadata.keys.sorted() == ["Storage-Compressed"])
            #expect(try await base.bytes(key).starts(with: magic))
            #expect(stored.attributes.metadata["Storage-Compressed"]?.first == algorithm.rawValue)
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

    /// Each part by one get, once the object is known, of no more than the frames that hold it.
    @Test(arguments: CompressionAlgorithm.allCases)
    func aPartReadsItsFramesAlone(_ algorithm: CompressionAlgorithm) async throws {
        let content = bytes(3_000_000)
        try await store(algorithm).put("k", .stream(content, chunk: 100_000))
        var faults = Faults()
        // More than two frames of twelve.
        faults.cut = .failing(after: try await base.info("k").size / 5)
        let probe = ProbeStore(FaultyStore(base, faults), object: [])
        let narrow = CompressedStore(probe)
        for range in [0..<1, 262_143..<262_145, 1_400_000..<1_600_000, 2_900_000..<3_000_000, 2_999_999..<3_000_000] {
            let bounds = ByteRange.bounded(first: range.lowerBound, last: range.upperBound - 1)
            let (before, info) = (probe.count, try await store.info("k"))
            for _ in 0..<2 {
                let part = try await narrow.get("k", options: GetOptions(range: bounds))
                #expect(part.range == range && part.info == info)
                #expect(try await part.body.collect(upTo: 200_000) == Array(content[range]))
            }
            // The first asks in vain, and then for the index.
            #expect(probe.count - before <= 2 + (range.lowerBound == 0 ? 2 : 0))
        }
        await #expect(throws: StorageError.self) { try await narrow.bytes("k") }
        #expect(try await store.bytes("k") == content)
    }

    @Test func partsAreOfTheVersionThatIsThere() async throws {
        let store = store
        let contents = [bytes(600_000), bytes(900_000).map { $0 ^ 1 }, bytes(300), bytes(700_000)]
        let range = GetOptions(range: .from(550_000))
        for content in contents {
            let info = try await store.put("k", ObjectBody(content))
            if content.count > 550_000 {
                let part = try await store.get("k", options: range)
                #expect(try await part.body.collect(upTo: 400_000) == Array(content[550_000...]) && part.info == info)
            } else {
                await #expect { try await store.get("k", options: range) } throws: {
                    ($0 as? StorageError)?.kind == .rangeNotSatisfiable && ($0 as? StorageError)?.size == content.count
                }
            }
            let other = GetOptions(range: .from(0), ifMatch: Version("other"))
            await #expect { try await store.get("k", options: other) } throws: {
                ($0 as? StorageError)?.currentVersion == info.version
            }
        }
        try await store.delete("k")
        await #expect { try await store.get("k", options: range) } throws: { ($0 as? StorageError)?.kind == .notFound }
    }

    /// Those of before there were frames.
    @Test(arguments: CompressionAlgorithm.allCases)
    func largeObjectsOfOneFrameAreRead(_ algorithm: CompressionAlgorithm) async throws {
        let content = bytes(1_000_000)
        let encoder: any ByteEncoder = algorithm == .gzip ? try GzipEncoder() : try ZstdEncoder()
        let values = [algorithm.rawValue, String(content.count), Digest(of: content).description]
        let options = PutOptions(attributes: ObjectAttributes(metadata: ["Storage-Compressed": values]))
        let stored = try encoder.encode(content, isLast: true)
        for body in [ObjectBody(stored), .stream(stored + [0])] { _ = try await base.put("k", body, options: options) }
        await #expect(throws: StorageError.self) { try await store.bytes("k") }
        _ = try await base.put("k", ObjectBody(stored), options: options)
        #expect(try await store.bytes("k") == content)
        for range in [0..<10, 600_000..<700_000, 999_999..<1_000_000] {
            let bounds = ByteRange.bounded(first: range.lowerBound, last: range.upperBound - 1)
            let part = try await store.get("k", options: GetOptions(range: bounds))
            #expect(try await part.body.collect(upTo: 100_000) == Array(content[range]))
        }
    }

    /// Frame after frame is the content, and the index is none of it.
    @Test(arguments: CompressionAlgorithm.allCases)
    func framesAreOfTheFormat(_ algorithm: CompressionAlgorithm) async throws {
        let content = text + text + text
        try await store(algorithm).put("k", ObjectBody(content))
        var (rest, found, count) = (try await base.bytes("k")[...], [UInt8](), 0)
        while !rest.isEmpty {
            let decoder: any ByteDecoder = algorithm == .gzip ? try GzipDecoder() : try ZstdDecoder()
            decoder.feed(Array(rest))
            while case .bytes(let bytes) = try decoder.next(.max) { found += bytes }
            rest = rest.suffix(decoder.unused)
            count += 1
        }
        #expect(found == content && count == 4)
    }

    @Test(arguments: CompressionAlgorithm.allCases)
    func partsOfDamagedFramesAreNotRead(_ algorithm: CompressionAlgorithm) async throws {
        let content = bytes(1_000_000)
        try await store(algorithm).put("k", .stream(content))
        let stored = try await base.bytes("k")
        let attributes = try await base.info("k").attributes
        let last = stored.count - (algorithm == .gzip ? 11 : 0)
        for place in [last - 36, last - 25, 100_000, 200_000] {
            var damaged = stored
            damaged[place % stored.count] ^= 0x11
            _ = try await base.put("k", ObjectBody(damaged), options: PutOptions(attributes: attributes))
            var failures = 0
            for start in stride(from: 0, to: 1_000_000, by: 100_000) {
                let bounds = ByteRange.bounded(first: start, last: start + 99_999)
                do throws(StorageError) {
                    let part = try await store.get("k", options: GetOptions(range: bounds)).body
                    #expect(try await part.collect(upTo: 100_000) == Array(content[start..<start + 100_000]))
                } catch {
                    #expect(error.kind == .internal)
                    failures += 1
                }
            }
            #expect(failures > 0 && failures < 10, "\(place)")
        }
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

    @Test(arguments: CompressionAlgorithm.allCases, [true, false])
    func damageIsNoticed(_ algorithm: CompressionAlgorithm, isAtHand: Bool) async throws {
        let store = store(algorithm)
        let text = isAtHand ? text : text + text
        try await store.put("k", ObjectBody(text))
        let stored = try await base.bytes("k")
        let attributes = try await base.info("k").attributes
        var flipped = stored
        flipped[stored.count / 2] ^= 1
        var wrongSum = stored
        // Before the length of gzip's trailer; at the end of a frame.
        wrongSum[stored.count - (algorithm == .gzip ? 8 : 1)] ^= 1
        for damaged in [[], Array(stored.dropLast()), stored + [0], flipped, wrongSum, stored + stored] {
            _ = try await base.put("k", ObjectBody(damaged), options: PutOptions(attributes: attributes))
            let error = await #expect(throws: StorageError.self) { try await store.bytes("k") }
            #expect(error?.kind == .internal && error?.key == "k")
        }
    }

    @Test(arguments: CompressionAlgorithm.allCases, [1000, 1_000_000])
    func aBombStopsAtTheSizeTold(_ algorithm: CompressionAlgorithm, size: Int) async throws {
        let encoder: any ByteEncoder =
            switch algorithm {
            case .gzip: try GzipEncoder(level: 9)
            case .zstd: try ZstdEncoder(level: 19)
            }
        var bomb: [UInt8] = []
        for _ in 0..<200 { bomb += try encoder.encode([UInt8](repeating: 0, count: 1 << 20), isLast: false) }
        bomb += try encoder.encode([], isLast: true)
        let values = [algorithm.rawValue, String(size), Digest(of: [0]).description]
        let options = PutOptions(attributes: ObjectAttributes(metadata: ["Storage-Compressed": values]))
        _ = try await base.put("k", .stream(bomb, chunk: 100_000), options: options)
        var count = 0
        let error = await #expect(throws: StorageError.self) {
            for try await chunk in try await store.get("k").body { count += chunk.count }
        }
        #expect(error?.kind == .internal && count <= size)
    }

    @Test func whatOneLayerStoredTwoRead() async throws {
        let twice = CompressedStore(store(.gzip))
        try await store.put("once", ObjectBody(text))
        try await twice.put("twice", ObjectBody(text))
        let infos = try await twice.list(ListQuery(details: true)).objects ?? []
        #expect(infos.map(\.size) == [text.count, text.count])
        #expect(infos.allSatisfy { $0.attributes == ObjectAttributes() })
        for key in ["once", "twice"] as [ObjectKey] { #expect(try await twice.bytes(key) == text) }
        let mine = ObjectAttributes(metadata: ["Storage-Compressed-2": ["zstd"]])
        await #expect(throws: StorageError.self) { try await twice.setMetadata("once", mine, options: .init()) }
    }

    /// What one algorithm stored is read whatever the layer now stores with; each level is one that the other end knows.
    @Test func algorithmsAndLevelsChange() async throws {
        let content = bytes(3_000_000)
        for (algorithm, level) in [(.gzip, 1), (.gzip, 9), (.zstd, 1), (.zstd, 19)] as [(CompressionAlgorithm, Int)] {
            try await store(algorithm, level: level).put("k", .stream(content))
            for reader in CompressionAlgorithm.allCases {
                #expect(try await store(reader).bytes("k") == content)
            }
        }
    }

    @Test func noFrameMayAskForMuchMemory() async throws {
        // A frame header whose window is 128 MiB.
        let frame: [UInt8] = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x88, 0x01, 0x00, 0x00]
        let values = ["zstd", "300000", Digest(of: [0]).description]
        let options = PutOptions(attributes: ObjectAttributes(metadata: ["Storage-Compressed": values]))
        _ = try await base.put("k", ObjectBody(frame), options: options)
        let error = await #expect(throws: StorageError.self) { try await store.bytes("k") }
        #expect(error?.message.contains("too much memory") == true)
    }

    @Test(arguments: [
        ["gzip", "9", Digest(of: [0]).description, "1024"], ["gzip", "9999999", Digest(of: [0]).description, "1"],
        ["zstd", "9223372036854775807", Digest(of: [0]).description, "1024"], ["gzip"], ["gzip", "-1", "x"],
        ["zip", "1", "x"], ["gzip", "99999999999999999999", "x"], [],
        ["gzip", "9223372036854775807", Digest(of: [0]).description],
        ["zstd", "1125899906842625", Digest(of: [0]).description],
    ])
    func aMarkOfNoKnownFormIsMetadata(_ values: [String]) async throws {
        let attributes = ObjectAttributes(metadata: ["Storage-Compressed": values])
        let info = try await base.put("k", ObjectBody("x"), options: PutOptions(attributes: attributes))
        #expect(try await store.info("k") == info)
        #expect(try await store.bytes("k") == Array("x".utf8))
    }
}
