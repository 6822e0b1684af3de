import Foundation
import Storage
import StorageLayers
import StorageSnapshot
import Synchronization
import TestSupport
import Testing

@Suite struct StoreCopyTests {
    private let source = MemoryStore()
    private let destination = MemoryStore()

    private func keys(_ store: MemoryStore) async throws -> [ObjectKey] { try await store.list(ListQuery()).keys }

    private func fill() async throws {
        let tagged = ObjectAttributes(metadata: ["tag": ["1"]])
        for key in ["a/same", "b/bytes", "c/new"] as [ObjectKey] { try await source.put(key, ObjectBody("\(key)")) }
        _ = try await source.put("d/tags", ObjectBody("x"), options: PutOptions(attributes: tagged))
        try await destination.put("a/same", ObjectBody("a/same"))
        try await destination.put("b/bytes", ObjectBody("B/BYTES"))
        try await destination.put("d/tags", ObjectBody("x"))
        try await destination.put("e/extra", ObjectBody("x"))
    }

    @Test func whatDiffersIsTold() async throws {
        try await fill()
        var told: [String] = []
        try await Difference.compare(InfoList(source), InfoList(destination)) { difference in
            switch difference {
            case .onlyLeft(let info): told.append("- \(info.key)")
            case .onlyRight(let info): told.append("+ \(info.key)")
            case .content(let info, _): told.append("~ \(info.key)")
            case .attributes(let info, _): told.append("m \(info.key)")
            case .unknown(let info, _): told.append("? \(info.key)")
            case .same(let info, _): told.append("= \(info.key)")
            }
        }
        #expect(told == ["= a/same", "~ b/bytes", "- c/new", "m d/tags", "+ e/extra"])
    }

    @Test func onlyWhatDiffersIsCopied() async throws {
        try await fill()
        let same = try await destination.info("a/same")
        let progress = try await StoreCopy().run(from: source, to: destination)
        #expect(progress.copied == 2 && progress.changed == 1 && progress.skipped == 1 && progress.deleted == 0)
        #expect(progress.bytes == 12 && progress.failed == 0 && progress.completedThrough == "d/tags")
        #expect(try await destination.info("a/same") == same)
        #expect(try await destination.bytes("b/bytes") == Array("b/bytes".utf8))
        #expect(try await destination.info("d/tags").attributes.metadata == ["tag": ["1"]])
        #expect(try await keys(destination).last == "e/extra")
        let again = try await StoreCopy().run(from: source, to: destination)
        #expect(again.copied == 0 && again.changed == 0 && again.skipped == 4)
    }

    @Test func whatIsThereIsKeptReplacedOrDeleted() async throws {
        try await fill()
        var copy = StoreCopy()
        copy.existing = .keep
        copy.isDryRun = true
        copy.deletes = true
        let dry = try await copy.run(from: source, to: destination)
        #expect(dry.copied == 1 && dry.deleted == 1 && dry.skipped == 3)
        #expect(try await keys(destination) == ["a/same", "b/bytes", "d/tags", "e/extra"])
        copy.isDryRun = false
        copy.deletes = false
        #expect(try await copy.run(from: source, to: destination).copied == 1)
        #expect(try await destination.bytes("b/bytes") == Array("B/BYTES".utf8))
        copy.existing = .replace
        copy.deletes = true
        copy.prefix = "b/"
        let part = try await copy.run(from: source, to: destination)
        #expect(part.copied == 1 && part.deleted == 0)
        copy.prefix = ""
        let all = try await copy.run(from: source, to: destination)
        #expect(all.copied == 4 && all.deleted == 1)
        #expect(try await keys(destination) == keys(source))
    }

    @Test func anotherWritersChangeIsNotWrittenOver() async throws {
        try await fill()
        let destination = destination
        let hooks = ObservedStore.Hooks(beforeRead: { (reading) async throws(StorageError) in
            // Somebody else writes to the destination while the object is read.
            guard case .object(let key) = reading else { return }
            try await destination.put(key, ObjectBody("theirs"))
        })
        var failed: [ObjectKey: StorageError.Kind] = [:]
        let progress = try await StoreCopy().run(from: ObservedStore(source, hooks: hooks), to: destination) {
            step, _ in
            if case .failed(let key, let error) = step { failed[key] = error.kind }
        }
        #expect(failed == ["b/bytes": .preconditionFailed, "c/new": .preconditionFailed])
        #expect(progress.failed == 2 && progress.completedThrough == "a/same")
        for key in ["b/bytes", "c/new"] as [ObjectKey] {
            #expect(try await destination.bytes(key) == Array("theirs".utf8))
        }
    }

    @Test func aCopyGoesOnWhereItWas() async throws {
        for number in 100..<200 { try await source.put(try ObjectKey(validating: "\(number)"), ObjectBody("x")) }
        let failing = Mutex(true)
        let hooks = ObservedStore.Hooks(beforeRead: { (reading) async throws(StorageError) in
            if reading == .object("150"), failing.withLock({ $0 }) { throw StorageError(.unavailable, "away") }
        })
        let source = ObservedStore(source, hooks: hooks)
        var copy = StoreCopy()
        let first = try await copy.run(from: source, to: destination)
        #expect(first.failed == 1 && first.copied == 99 && first.completedThrough == "149")
        failing.withLock { $0 = false }
        copy.startAfter = first.completedThrough
        let second = try await copy.run(from: source, to: destination)
        #expect(second.copied == 1 && second.skipped == 49 && second.completedThrough == "199")
        #expect(try await keys(destination).count == 100)
    }

    @Test func asManyAtOnceAsAllowed() async throws {
        for number in 0..<40 { try await source.put(try ObjectKey(validating: "\(number)"), ObjectBody("x")) }
        let atOnce = Counts()
        let slow = ObservedStore(
            source,
            hooks: .init(beforeRead: { (reading) async throws(StorageError) in
                guard case .object = reading else { return }
                atOnce.state.withLock { $0 = ($0.now + 1, max($0.most, $0.now + 1)) }
                // The first ones until there are as many as may be, however slowly they come.
                for _ in 0..<10_000 where atOnce.state.withLock({ $0.most }) < 4 {
                    try? await Task.sleep(for: .milliseconds(3))
                }
                try? await Task.sleep(for: .milliseconds(3))
                atOnce.state.withLock { $0.now -= 1 }
            }))
        var copy = StoreCopy()
        copy.parallelism = 4
        #expect(try await copy.run(from: slow, to: destination).copied == 40)
        #expect(atOnce.state.withLock { $0.most } == 4)
    }

    private final class Counts: Sendable {
        let state = Mutex((now: 0, most: 0))
    }

    @Test func withoutDigestsTheNewerOneIsCopied() throws {
        let key: ObjectKey = "k"
        let old = ObjectInfo(key: key, size: 1, version: Version("1"), digest: nil, modified: .distantPast)
        var new = old
        new.modified = .now
        #expect(Difference(left: new, right: old) == .unknown(left: new, right: old))
        new.size = 2
        #expect(Difference(left: new, right: old) == .content(left: new, right: old))
    }
}
