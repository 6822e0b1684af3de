import FileStorage
import Foundation
import Storage
import StorageLayers
import Synchronization
import TestSupport
import Testing

@Suite struct SweepTests {
    /// Leaves a temporary file as a writer does that ended `age` seconds ago.
    private func leaveTemporary(_ name: String, in folder: Folder, age: Double) throws {
        try folder.write("half", to: "tmp/" + name)
        let date = Date.now.addingTimeInterval(-age)
        try FileManager.default.setAttributes([.modificationDate: date], ofItemAtPath: folder.path + "/tmp/" + name)
    }

    @Test func abandonedTemporaryFilesGo() async throws {
        let folder = Folder()
        let store = try await folder.store()
        try leaveTemporary("old", in: folder, age: 61)
        try leaveTemporary("young", in: folder, age: 30)
        try leaveTemporary("held", in: folder, age: 1000)
        // As its writer holds it, however long the writing takes.
        let held = open(folder.path + "/tmp/held", O_RDWR)
        #expect(flock(held, LOCK_EX | LOCK_NB) == 0)
        #expect(try await store.sweep().temporaryFiles == 1)
        #expect(folder.temporaryFiles == ["held", "young"])
        close(held)
        // At the start too.
        _ = try await folder.store { $0.temporaryGrace = .seconds(10) }
        #expect(folder.temporaryFiles == [])
    }

    /// What can't be removed keeps neither the store from opening nor anything else from going.
    @Test func oddTemporaryFilesAreLeftAlone() async throws {
        let folder = Folder()
        await (try await folder.store()).shutdown()
        for name in ["a", "z"] { try leaveTemporary(name, in: folder, age: 61) }
        let manager = FileManager.default
        try manager.createDirectory(atPath: folder.path + "/tmp/folder", withIntermediateDirectories: false)
        try manager.createSymbolicLink(atPath: folder.path + "/tmp/link", withDestinationPath: folder.path + "/format")
        let store = try await folder.store { $0.temporaryGrace = .zero }
        #expect(folder.temporaryFiles == ["folder", "link"])
        try await store.sweep()
        try await store.put("key", ObjectBody("x"))
    }

    @Test func aPutUnderWayIsLeftAlone() async throws {
        let folder = Folder()
        let store = try await folder.store { $0.temporaryGrace = .zero }
        let chunks = Mutex(0)
        let body = ObjectBody(size: nil) { () async throws(StorageError) in
            let chunk = chunks.withLock { count in
                count += 1
                return count
            }
            guard chunk > 3 else { return [UInt8](repeating: 7, count: 1 << 20) }
            #expect(folder.temporaryFiles.count == 1)
            #expect(try await store.sweep().temporaryFiles == 0)
            return nil
        }
        try await store.put("a", body)
        #expect(try await store.info("a").size == 3 << 20)
        #expect(folder.temporaryFiles == [])
    }

    @Test func sweepsHappenOnASchedule() async throws {
        let folder = Folder()
        let store = try await folder.store {
            $0.sweepInterval = .seconds(1)
            $0.temporaryGrace = .seconds(60)
        }
        try leaveTemporary("old", in: folder, age: 61)
        try await eventually("what is left behind stays") { folder.temporaryFiles == [] }
        await store.shutdown()
    }

    /// Whoever looks after the store is told of each object once, whichever process stored it, and the schedule leaves
    /// them to that.
    @Test func whatExpiredIsToldOnce() async throws {
        let folder = Folder()
        let clock = TestClock()
        let before = try await folder.store(.none, clock: clock)
        let short = PutOptions(timeToLive: .seconds(10))
        let earlier = try await before.put("earlier", ObjectBody("x"), options: short)
        let store = try await folder.store(.none, clock: clock)
        let first = try await store.maintain()
        #expect(first.expired == [] && first.next > clock.now())
        let replaced = try await store.put("replaced", ObjectBody("x"), options: short)
        let own = try await store.put("own", ObjectBody("x"), options: PutOptions(timeToLive: .seconds(5)))
        try await store.put("replaced", ObjectBody("stays"))
        clock.advance(11)
        async let one = store.maintain()
        async let other = store.maintain()
        let told = try await (one.expired + other.expired).sorted { $0.key < $1.key }
        #expect(told == [earlier, own] && replaced.expires != nil)
        #expect(try await store.maintain().expired == [])
        #expect(try await store.list(ListQuery()).keys == ["replaced"])
        // What another process stores is found when the walk comes by.
        _ = try await before.put("theirs", ObjectBody("x"), options: short)
        clock.advance(11)
        #expect(try await store.maintain().expired == [])
        clock.advance(601)
        #expect(try await store.maintain().expired.map(\.key) == ["theirs"])
    }

    @Test func theScheduleLeavesToldObjects() async throws {
        let folder = Folder()
        let clock = TestClock()
        let store = try await folder.store(.none, clock: clock) { $0.sweepInterval = .seconds(1) }
        _ = try await store.maintain()
        _ = try await store.put("a", ObjectBody("x"), options: PutOptions(timeToLive: .seconds(1)))
        clock.advance(2)
        try leaveTemporary("old", in: folder, age: 61)
        try await eventually("what is left behind stays") { folder.temporaryFiles == [] }
        #expect(folder.objects == ["a"])
        #expect(try await store.maintain().expired.map(\.key) == ["a"])
        await store.shutdown()
    }

    /// A page goes on with what the one before it read, and never with what has changed since.
    @Test func pagesOfALargeFolder() async throws {
        let folder = Folder()
        let store = try await folder.store(.none)
        try await store.put("flat/key 100001/inner", ObjectBody([]))
        var expected: Set<ObjectKey> = ["flat/key 100001/inner"]
        func name(_ number: Int) -> String { "key \(String(number + 100_000))" }
        // Whose content a listing of keys does not read.
        func make(_ number: Int) throws {
            close(open(folder.path + "/objects/flat.d/" + name(number), O_CREAT | O_WRONLY, 0o600))
            expected.insert(try ObjectKey(validating: "flat/" + name(number)))
        }
        func rest(for seconds: Int) throws {
            let attributes = [FileAttributeKey.modificationDate: Date.now.addingTimeInterval(-Double(seconds))]
            try FileManager.default.setAttributes(attributes, ofItemAtPath: folder.path + "/objects/flat.d")
        }
        for number in stride(from: 0, to: 80_000, by: 2) { try make(number) }
        try rest(for: 10_000)
        var query = ListQuery(prefix: "flat/", limit: 4000)
        var found: [ObjectKey] = []
        for round in 0... {
            let page = try await store.list(query)
            found += page.keys
            query.startAfter = page.next
            guard page.next != nil else { break }
            guard round % 3 == 1 else { continue }
            // Right behind the page.
            let end = 8000 * (round + 1)
            try make(end + 1)
            unlink(folder.path + "/objects/flat.d/" + name(end + 2))
            expected.remove(try ObjectKey(validating: "flat/" + name(end + 2)))
            try rest(for: 9000 - 60 * round)
        }
        #expect(found == expected.sorted() && found.count > 39_990)
    }

    @Test func expiredObjectsGo() async throws {
        let folder = Folder()
        let clock = TestClock()
        let store = try await folder.store(clock: clock)
        for index in 0..<30 {
            let options = PutOptions(timeToLive: index % 3 == 0 ? nil : .seconds(10 * index))
            _ = try await store.put(ObjectKey(validating: "\(index % 2)/\(index)"), ObjectBody("x"), options: options)
        }
        #expect(try await store.sweep().expiredObjects == 0)
        clock.advance(155)
        #expect(try await store.list(ListQuery()).keys.count == 20)
        #expect(try await store.sweep().expiredObjects == 10)
        #expect(folder.objects.filter { $0.contains("/") }.count == 20)
        // One that was replaced since it expired is another.
        clock.advance(100)
        try await store.put("1/17", ObjectBody("new"))
        #expect(try await store.sweep().expiredObjects == 6)
        #expect(try await store.bytes("1/17") == Array("new".utf8))
    }

    /// No acknowledgement of a file can get lost: retries need no ids, which are files too.
    @Test func retriesLeaveNoIDs() async throws {
        let folder = Folder()
        let store = RetryingStore(try await folder.store())
        for key in ["a", "b"] as [ObjectKey] { try await store.put(key, ObjectBody("x")) }
        #expect(folder.contents("ids") == [] && folder.objects == ["a", "b"])
        _ = try await store.put("c", ObjectBody("x"), options: PutOptions(messageID: "own"))
        #expect(folder.contents("ids").count == 1)
    }

    @Test func messageIDsAreForgotten() async throws {
        let folder = Folder()
        let clock = TestClock()
        let store = try await folder.store(clock: clock)
        let first = try await store.put("a", ObjectBody("1"), options: PutOptions(messageID: "id"))
        // Another process knows it too.
        let other = try await folder.store(clock: clock)
        let second = try await other.put("b", ObjectBody("2"), options: PutOptions(messageID: "id"))
        #expect(second == first)
        #expect(try await store.list(ListQuery()).keys == ["a"])
        clock.advance(121)
        let third = try await other.put("b", ObjectBody("3"), options: PutOptions(messageID: "id"))
        #expect(third.key == "b")
        let names = folder.contents("ids")
        #expect(names.count == 1)
        let date = Date.now.addingTimeInterval(-300)
        try FileManager.default.setAttributes([.modificationDate: date], ofItemAtPath: folder.path + "/ids/" + names[0])
        #expect(try await store.sweep().messageIDs == 1)
        #expect(folder.contents("ids") == [])
    }
}
