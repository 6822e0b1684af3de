import Foundation
import JetStreamStorage
import NATS
import Storage
import TestSupport
import Testing

/// What other programs leave in a bucket: odd chunks, odd meta messages, messages that are gone.
@Suite struct ForeignTests {
    private func meta(
        _ name: String, size: Int, chunks: Int, chunkSize: Int, digest: Digest? = nil, metadata: String = "{}"
    ) -> String {
        """
        {"name":"\(name)","options":{"max_chunk_size":\(chunkSize)},"bucket":"B","nuid":"\(name)","size":\(size),
         "chunks":\(chunks),"digest":\(digest.map { "\"\($0)\"" } ?? "null"),"metadata":\(metadata)}
        """
    }

    private func publish(_ meta: String, as name: String, _ stream: JetStream) async throws {
        let subject = "$O.B.M." + Data(name.utf8).base64EncodedString()
        _ = try await stream.publish(subject, headers: ["Nats-Rollup": "sub"], payload: Array(meta.utf8))
    }

    /// Some writers send what they have, below the chunk size that the meta message names.
    @Test(
        arguments: ServerFlavor.allCases,
        [
            [600, 600, 600, 600, 600], [1000, 900, 600], [900, 1000, 1000, 700], [1000, 1000, 1000, 10],
            [1000, 999, 1000, 1000],
        ])
    func chunksMayBeShort(_ flavor: ServerFlavor, _ sizes: [Int]) async throws {
        let fixture = try await Fixture(flavor)
        let stream = JetStream(fixture.control)
        let content = bytes(sizes.reduce(0, +))
        var rest = content[...]
        for size in sizes {
            _ = try await stream.publish("$O.B.C.odd", payload: Array(rest.prefix(size)))
            rest = rest.dropFirst(size)
        }
        try await publish(
            meta("odd", size: content.count, chunks: sizes.count, chunkSize: 1000, digest: Digest(of: content)),
            as: "odd", stream)
        #expect(try await fixture.store.bytes("odd") == content)
        for range in [0..<1, 1100..<1200, 1999..<2001, content.count - 5..<content.count] {
            let options = GetOptions(range: .bounded(first: range.lowerBound, last: range.upperBound - 1))
            let part = try await fixture.store.get("odd", options: options)
            #expect(try await part.body.collect(upTo: 5000) == Array(content[range]), "\(range)")
        }
        await fixture.close()
    }

    @Test(arguments: ServerFlavor.allCases)
    func impossibleNumbersAreErrors(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor)
        let stream = JetStream(fixture.control)
        for (size, chunks, chunkSize) in [
            (Int.max, 3, 1000), (3000, 3, Int.max), (3000, Int.max, 1), (Int.max, Int.max, Int.max),
        ] {
            _ = try await stream.publish("$O.B.C.odd", payload: bytes(10))
            try await publish(meta("odd", size: size, chunks: chunks, chunkSize: chunkSize), as: "odd", stream)
            for range in [nil, ByteRange.suffix(9), .from(2000)] {
                let error = await #expect(throws: StorageError.self) {
                    let object = try await fixture.store.get("odd", options: GetOptions(range: range))
                    _ = try await object.body.collect(upTo: 1 << 20)
                }
                #expect(error?.kind == .internal)
            }
        }
        await fixture.close()
    }

    /// Programs that copy an object copy its metadata too.
    @Test func whereChunksLieIsNotTakenFromAnotherObject() async throws {
        let fixture = try await Fixture(.newest) { $0.chunkSize = 1000 }
        let stream = JetStream(fixture.control)
        try await fixture.store.put("first", ObjectBody(bytes(9500)))
        let original = try await stream.message(
            "OBJ_B", .lastBySubject("$O.B.M." + Data("first".utf8).base64EncodedString()), direct: false)
        let text = String(decoding: try #require(original).payload, as: UTF8.self)
        let place = try #require(text.firstMatch(of: /"storage-first-chunk":"([^"]*)"/)).1
        let content = Array(bytes(9500).reversed())
        for chunk in stride(from: 0, to: 9500, by: 1000) {
            _ = try await stream.publish("$O.B.C.copy", payload: Array(content[chunk..<min(chunk + 1000, 9500)]))
        }
        for said in [String(place), "1 copy", "18446744073709551615 copy"] {
            try await publish(
                meta(
                    "copy", size: 9500, chunks: 10, chunkSize: 1000, digest: Digest(of: content),
                    metadata: #"{"storage-first-chunk":"\#(said)"}"#), as: "copy", stream)
            #expect(try await fixture.store.bytes("copy") == content)
            let options = GetOptions(range: .bounded(first: 5500, last: 5599))
            let part = try await fixture.store.get("copy", options: options)
            #expect(try await part.body.collect(upTo: 5000) == Array(content[5500..<5600]))
        }
        await fixture.close()
    }

    @Test(arguments: ServerFlavor.allCases)
    func whatIsNoObjectIsReplaced(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor)
        try await publish("garbage", as: "odd", JetStream(fixture.control))
        let error = await #expect(throws: StorageError.self) { try await fixture.store.bytes("odd") }
        #expect(error?.kind == .internal)
        #expect(try await fixture.store.delete("odd") == false)
        try await fixture.store.put("odd", ObjectBody("new"))
        #expect(try await fixture.store.bytes("odd") == Array("new".utf8))
        try await publish("garbage", as: "odd", JetStream(fixture.control))
        try await fixture.store.put("odd", ObjectBody(bytes(300_000)))
        #expect(try await fixture.store.bytes("odd") == bytes(300_000))
        await fixture.close()
    }

    /// Other programs rename by purging the old name's message: no message tells of that.
    @Test(arguments: ServerFlavor.allCases)
    func whatIsPurgedIsGone(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor)
        let stream = JetStream(fixture.control)
        for key in ["a", "b", "c"] { try await fixture.store.put(ObjectKey(validating: key), ObjectBody("x")) }
        #expect(try await fixture.store.list(ListQuery()).keys.count == 3)
        for key in ["a", "b"] {
            _ = try await stream.purge("OBJ_B", filter: "$O.B.M." + Data(key.utf8).base64EncodedString())
        }
        let error = await #expect(throws: StorageError.self) { try await fixture.store.bytes("a") }
        #expect(error?.kind == .notFound)
        let other = await #expect(throws: StorageError.self) { try await fixture.store.info("b") }
        #expect(other?.kind == .notFound)
        #expect(try await fixture.store.list(ListQuery()).keys == ["c"])
        // What nobody asks for by name, a cleaning finds.
        try await fixture.store.put("d", ObjectBody("x"))
        _ = try await stream.purge("OBJ_B", filter: "$O.B.M." + Data("c".utf8).base64EncodedString())
        _ = try await fixture.store.removeOrphans(olderThan: .zero)
        #expect(try await fixture.store.list(ListQuery()).keys == ["d"])
        await fixture.close()
    }

    /// The sweeper does not try for ever to remove what is gone.
    @Test func whatIsGoneNeedNotExpire() async throws {
        let fixture = try await Fixture(.newest)
        var options = PutOptions()
        options.timeToLive = .seconds(10)
        try await forEach(Array(0..<300), atOnce: 32) { [options] number in
            _ = try await fixture.store.put(ObjectKey(validating: "k\(number)"), ObjectBody("x"), options: options)
        }
        #expect(try await fixture.store.list(ListQuery(limit: 1000)).keys.count == 300)
        _ = try await JetStream(fixture.control).purge("OBJ_B", filter: "$O.B.M.>")
        _ = try await fixture.store.put("real", ObjectBody("x"), options: options)
        try await Task.sleep(for: .milliseconds(10_300))
        var expired: [ObjectKey] = []
        for _ in 0..<3 { expired += try await fixture.store.maintain().expired.map(\.key) }
        #expect(expired == ["real"])
        let now = Date.now
        #expect(try await fixture.store.maintain().next >= now.addingTimeInterval(1))
        await fixture.close()
    }

    /// Made anew with more in it than before: sequences alone do not tell.
    @Test(arguments: ServerFlavor.allCases)
    func aBucketThatWasMadeAnewIsReadAnew(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor)
        try await fixture.store.put("old", ObjectBody("x"))
        #expect(try await fixture.store.list(ListQuery()).keys == ["old"])
        try await makeAnew(fixture)
        for number in 0..<10 { try await fixture.store.put(ObjectKey(validating: "new\(number)"), ObjectBody("x")) }
        try await eventually("the new stream is not listed") {
            (try? await fixture.store.list(ListQuery()).keys) == (0..<10).compactMap { ObjectKey("new\($0)") }
        }
        await fixture.close()
    }

    /// Made anew with as much in it as before.
    @Test(arguments: ServerFlavor.allCases)
    func whatHasTheSameSequenceIsNotTheSame(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor)
        try await fixture.store.put("k", ObjectBody("old"))
        #expect(try await fixture.store.list(ListQuery()).keys == ["k"])
        try await makeAnew(fixture)
        let other = try await fixture.another()
        let new = try await other.put("k", ObjectBody("newer"))
        #expect(try await fixture.store.info("k") == new)
        #expect(try await fixture.store.bytes("k") == Array("newer".utf8))
        try await other.put("l", ObjectBody("x"))
        try await eventually("the new stream is not listed") {
            let page = try? await fixture.store.list(ListQuery(details: true))
            return page?.objects?.map(\.size) == [5, 1]
        }
        await other.shutdown()
        await fixture.close()
    }

    private func makeAnew(_ fixture: Fixture) async throws {
        let stream = JetStream(fixture.control)
        let configuration = try await stream.streamInfo("OBJ_B").config
        try await stream.deleteStream("OBJ_B")
        _ = try await stream.createStream(configuration)
    }

    /// An update of metadata moves an object's message to the end of the stream, where a walk through the bucket has to
    /// look for it.
    @Test(arguments: ServerFlavor.allCases)
    func aCleaningKeepsWhatMovesMeanwhile(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for lane in 0..<16 {
                group.addTask {
                    for number in 0..<150 {
                        _ = try await fixture.store.put(
                            ObjectKey(validating: "\(lane)/\(number)"), ObjectBody("\(number)"))
                    }
                }
            }
            try await group.waitForAll()
        }
        let moving = try (120..<140).map { try ObjectKey(validating: "15/\($0)") }
        let mover = Task {
            while !Task.isCancelled {
                for key in moving {
                    _ = try await fixture.store.setMetadata(
                        key, ObjectAttributes(contentType: "a/b"), options: SetMetadataOptions())
                }
            }
        }
        for _ in 0..<6 {
            let report = try await fixture.store.removeOrphans(olderThan: .zero)
            #expect(report.removed == 0)
        }
        mover.cancel()
        _ = await mover.result
        for key in moving { #expect(try await !fixture.store.bytes(key).isEmpty) }
        await fixture.close()
    }

    /// The same for a listing without an index.
    @Test(arguments: ServerFlavor.allCases)
    func aListingFindsWhatMovesMeanwhile(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor) { $0.index = .none }
        let keys = try (100..<150).map { try ObjectKey(validating: "k\($0)") }
        for key in keys { try await fixture.store.put(key, ObjectBody("x")) }
        let writer = Task {
            while !Task.isCancelled { for key in keys { try await fixture.store.put(key, ObjectBody("y")) } }
        }
        for _ in 0..<15 { #expect(try await fixture.store.list(ListQuery()).keys == keys) }
        writer.cancel()
        _ = await writer.result
        await fixture.close()
    }
}
