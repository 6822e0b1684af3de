import Foundation
import Storage
import StorageLayers
import StorageSnapshot
import Synchronization
import TestSupport
import Testing

@Suite struct SnapshotTests {
    private let store = MemoryStore()
    private let attributes = ObjectAttributes(
        contentType: "text/plain", contentEncoding: "gzip",
        metadata: ["Größe": ["ü", "a\nb"], "case": ["x"], "Case": []])

    /// Takes what is exported.
    private final class Sink: Sendable {
        private let written = Mutex((bytes: [UInt8](), longest: 0))

        func write(_ bytes: [UInt8]) {
            written.withLock { $0 = ($0.bytes + bytes, max($0.longest, bytes.count)) }
        }

        var bytes: [UInt8] { written.withLock { $0.bytes } }
        var longest: Int { written.withLock { $0.longest } }
        var text: String { String(decoding: bytes, as: UTF8.self) }
    }

    private func export(
        _ store: any Store, _ adjust: (inout Snapshot.Export) -> Void = { _ in }
    ) async throws -> (sink: Sink, statistics: Snapshot.Statistics) {
        var export = Snapshot.Export()
        adjust(&export)
        let sink = Sink()
        let statistics = try await Snapshot.export(store, export) { (bytes) async throws(StorageError) in
            sink.write(bytes)
        }
        return (sink, statistics)
    }

    private func fill() async throws {
        try await store.put("empty", ObjectBody([]))
        _ = try await store.put("dir/text", ObjectBody("hello"), options: PutOptions(attributes: attributes))
        try await store.put("dir/large", ObjectBody(bytes(1_500_000)))
        _ = try await store.put("short-lived", ObjectBody("x"), options: PutOptions(timeToLive: .seconds(1000)))
    }

    @Test func whatIsExportedComesBack() async throws {
        try await fill()
        let (sink, statistics) = try await export(store)
        #expect(statistics.objects == 4 && statistics.bytes == 1_500_006 && statistics.skipped == 0)
        #expect(sink.longest < 300_000)
        #expect(sink.text.hasPrefix(#"{"snapshot":{"data":true,"exported":"2"#))
        let copy = MemoryStore()
        // However the bytes arrive.
        let result = try await Snapshot.load(stream(sink.bytes, chunk: 70_001), into: copy)
        #expect(result.stored == 4 && result.bytes == 1_500_006 && result.kept == 0 && result.expired == 0)
        for key in ["empty", "dir/text", "dir/large", "short-lived"] as [ObjectKey] {
            #expect(try await copy.bytes(key) == store.bytes(key))
            #expect(try await copy.info(key).attributes == store.info(key).attributes)
        }
        let lifetime = try await copy.info("short-lived").expires?.timeIntervalSinceNow ?? 0
        // Times are told in milliseconds, rounded.
        #expect((900...1001).contains(lifetime))
        try await Difference.compare(InfoList(store), InfoList(copy)) { (difference) async throws(StorageError) in
            guard case .same = difference else { throw StorageError(.internal, "\(difference)") }
        }
    }

    private func stream(_ bytes: [UInt8], chunk: Int) -> ObjectBody {
        let offset = Mutex(0)
        return ObjectBody(size: nil) { () async throws(StorageError) in
            let range = offset.withLock { start in
                defer { start = min(start + chunk, bytes.count) }
                return start..<min(start + chunk, bytes.count)
            }
            return range.isEmpty ? nil : Array(bytes[range])
        }
    }

    @Test func aPrefixOrInfosAlone() async throws {
        try await fill()
        let part = try await export(store) { $0.prefix = "dir/" }
        #expect(part.statistics.objects == 2)
        let infos = try await export(store) { $0.includesData = false }
        #expect(infos.statistics.objects == 4 && infos.sink.bytes.count < 2500)
        let error = await #expect(throws: StorageError.self) {
            try await Snapshot.load(ObjectBody(infos.sink.bytes), into: MemoryStore())
        }
        #expect(error?.kind == .invalid && error?.message.contains("infos alone") == true)
        let reader = SnapshotReader(ObjectBody(infos.sink.bytes))
        _ = try await reader.header()
        var keys: [ObjectKey] = []
        while let info = try await reader.object() { keys.append(info.key) }
        #expect(keys == ["dir/large", "dir/text", "empty", "short-lived"])
        #expect(await reader.statistics == infos.statistics)
    }

    @Test func importsKeepReplaceOrOnlyCount() async throws {
        try await fill()
        let sink = try await export(store).sink
        let copy = MemoryStore()
        try await copy.put("dir/text", ObjectBody("mine"))
        var options = Snapshot.Import()
        options.isDryRun = true
        #expect(try await Snapshot.load(ObjectBody(sink.bytes), into: copy, options).stored == 4)
        #expect(copy.statistics.entries == 1)
        options.isDryRun = false
        options.existing = .keep
        let kept = try await Snapshot.load(ObjectBody(sink.bytes), into: copy, options)
        #expect(kept.stored == 3 && kept.kept == 1)
        #expect(try await copy.bytes("dir/text") == Array("mine".utf8))
        options.existing = .replace
        let later = Date.now.addingTimeInterval(2000)
        let replaced = try await Snapshot.load(ObjectBody(sink.bytes), into: copy, options, now: { later })
        #expect(replaced.stored == 3 && replaced.expired == 1)
        #expect(try await copy.bytes("dir/text") == Array("hello".utf8))
        options.dropsExpiry = true
        let forever = try await Snapshot.load(ObjectBody(sink.bytes), into: copy, options, now: { later })
        #expect(forever.stored == 4)
        #expect(try await copy.info("short-lived").expires == nil)
    }

    /// What is over by the time when it is its turn does not come back.
    @Test func longImportsLengthenNoLife() async throws {
        for name in ["a", "b", "c"] as [ObjectKey] {
            _ = try await store.put(name, ObjectBody("x"), options: PutOptions(timeToLive: .seconds(1000)))
        }
        let sink = try await export(store).sink
        var time = Date.now
        let copy = MemoryStore()
        let result = try await Snapshot.load(
            ObjectBody(sink.bytes), into: copy,
            now: {
                time += 400
                return time
            })
        #expect(result.stored == 2 && result.expired == 1)
        let life = try await copy.info("b").expires?.timeIntervalSinceNow ?? 0
        #expect((100...201).contains(life))
    }

    @Test func damagedSnapshotsAreRefused() async throws {
        try await fill()
        let text = try await export(store).sink.text
        let lines = text.split(separator: "\n")
        let flaws: [(String, String)] = [
            (lines.dropLast().joined(separator: "\n"), "before its last line"),
            (lines.dropFirst().joined(separator: "\n"), "no snapshot"),
            ("", "no snapshot"), (text.replacing(#""objects":4"#, with: #""objects":5"#), "says otherwise"),
            (text.replacing(#""format":1"#, with: #""format":2"#), "format 2"),
            (text.replacing(#"{"data":"aGVsbG8="}"#, with: #"{"data":"a"}"#), "damaged at line"),
            (text.replacing(#""size":5,"#, with: #""size":-5,"#), "damaged at line"),
            (text.replacing(#"{"data":"aGVsbG8="}"#, with: "{}"), "damaged at line"),
            (text.replacing(#"{"data":"aGVsbG8="}"#, with: String(lines[0])), "announced"),
        ]
        for (snapshot, reason) in flaws {
            let error = await #expect(throws: StorageError.self) {
                try await Snapshot.load(ObjectBody(snapshot), into: MemoryStore())
            }
            #expect(
                error?.kind == .invalid && error?.description.contains(reason) == true, "\(reason): \(error as Any)")
        }
        let copy = MemoryStore()
        let error = await #expect(throws: StorageError.self) {
            try await Snapshot.load(ObjectBody(text.replacing("aGVsbG8=", with: "aGVsbGE=")), into: copy)
        }
        #expect(error?.kind == .digestMismatch && error?.key == "dir/text")
        await #expect(throws: StorageError.self) { try await copy.info("dir/text") }
    }

    @Test func aDryRunFindsWhatAnImportWould() async throws {
        try await fill()
        let text = try await export(store).sink.text
        let copy = MemoryStore()
        try await copy.put("dir/text", ObjectBody("mine"))
        var options = Snapshot.Import()
        (options.isDryRun, options.existing) = (true, .keep)
        let result = try await Snapshot.load(ObjectBody(text), into: copy, options)
        #expect(result.stored == 3 && result.kept == 1 && result.bytes == 1_500_001)
        options.existing = .replace
        let flaws = [
            (text.replacing("aGVsbG8=", with: "aGVsbGE="), StorageError.Kind.digestMismatch),
            (text.replacing(#""size":5,"#, with: #""size":6,"#), .invalid),
            (text.replacing(#""size":5,"#, with: #""size":9223372036854775807,"#), .invalid),
        ]
        for (snapshot, kind) in flaws {
            let error = await #expect(throws: StorageError.self) {
                try await Snapshot.load(ObjectBody(snapshot), into: copy, options)
            }
            #expect(error?.kind == kind && error?.key == "dir/text")
        }
        #expect(copy.statistics.entries == 1)
    }

    @Test func objectsThatWereTakenBackFollowAgain() async throws {
        try await store.put("k", ObjectBody("hello"))
        let lines = try await export(store).sink.text.split(separator: "\n").map(String.init)
        let torn = lines[1].replacing("hello", with: "") + "\n" + #"{"data":"aGVs"}"# + "\n" + #"{"discard":"k"}"#
        for snapshot in [
            [lines[0], torn] + lines[1...], [lines[0], torn, torn] + lines[1...],
            [lines[0], torn, lines[3].replacing(#""objects":1"#, with: #""objects":0"#)],
        ] {
            let copy = MemoryStore()
            let text = snapshot.joined(separator: "\n")
            let result = try await Snapshot.load(ObjectBody(text), into: copy)
            let isThere = snapshot.count > 3
            #expect(result.stored == (isThere ? 1 : 0) && copy.statistics.entries == result.stored)
            if isThere { #expect(try await copy.bytes("k") == Array("hello".utf8)) }
            let list = InfoList(SnapshotReader(ObjectBody(snapshot.dropFirst().joined(separator: "\n"))))
            var count = 0
            try await Difference.compare(list, InfoList(copy)) { _ in count += 1 }
            #expect(count == result.stored)
        }
    }

    @Test func anObjectThatKeepsBreakingOffFailsTheExport() async throws {
        try await store.put("k", ObjectBody(bytes(10_000)))
        var faults = Faults()
        faults.cut = .failing(after: 5000)
        let sink = Sink()
        await #expect(throws: StorageError.self) {
            try await Snapshot.export(FaultyStore(store, faults)) { (bytes) async throws(StorageError) in
                sink.write(bytes)
            }
        }
        #expect(sink.text.split(separator: "\n").filter { $0 == #"{"discard":"k"}"# }.count == 3)
    }
}
