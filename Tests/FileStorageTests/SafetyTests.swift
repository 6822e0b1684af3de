import Foundation
import Storage
import Synchronization
import TestSupport
import Testing

@testable import FileStorage

/// What somebody else does to the store's folder: links that lead out of it, damage, files of their own.
@Suite struct SafetyTests {
    private let manager = FileManager.default

    /// A folder beside the store's, which nothing may touch.
    private func outside() throws -> (folder: Folder, secret: String) {
        let outside = try Folder(isPortable: false)
        try outside.write("secret", to: "object")
        return (outside, outside.path + "/object")
    }

    private func expect(_ kind: StorageError.Kind, _ body: () async throws -> Void) async {
        await #expect { try await body() } throws: { ($0 as? StorageError)?.kind == kind }
    }

    @Test func aLinkedFolderIsNotFollowed() async throws {
        let (outside, _) = try outside()
        let folder = Folder()
        let store = try await folder.store()
        try manager.createSymbolicLink(atPath: folder.path + "/objects/a.d", withDestinationPath: outside.path)
        await expect(.internal) { try await store.put("a/new", ObjectBody("x")) }
        await expect(.internal) { try await store.put("a/b/new", ObjectBody("x")) }
        await expect(.internal) { _ = try await store.get("a/object") }
        await expect(.internal) { _ = try await store.info("a/object") }
        await expect(.internal) { try await store.delete("a/object") }
        #expect(try await store.list(ListQuery()).keys == [])
        #expect(outside.contents() == ["object"] && folder.temporaryFiles == [])
    }

    @Test func aLinkedFileIsNotFollowed() async throws {
        let (outside, secret) = try outside()
        let folder = Folder()
        let store = try await folder.store()
        try manager.createSymbolicLink(atPath: folder.path + "/objects/a", withDestinationPath: secret)
        await expect(.internal) { _ = try await store.get("a") }
        #expect(try await store.list(ListQuery(details: true)).keys == [])
        // A put takes the link's place, a delete removes it: what it leads to stays.
        try await store.put("a", ObjectBody("x"))
        #expect(try await store.bytes("a") == Array("x".utf8))
        #expect(try String(contentsOfFile: secret, encoding: .utf8) == "secret" && outside.contents() == ["object"])
    }

    /// A folder that is swapped for a link again and again never lets a put out.
    @Test func aRaceWithALinkIsWon() async throws {
        let (outside, _) = try outside()
        let folder = Folder()
        let store = try await folder.store(.none)
        try await store.put("a/stays", ObjectBody("x"))
        let (real, kept) = (folder.path + "/objects/a.d", folder.path + "/kept")
        let swaps = Task.detached {
            while !Task.isCancelled {
                try? FileManager.default.removeItem(atPath: kept)
                _ = rename(real, kept)
                _ = symlink(outside.path, real)
                await Task.yield()
                unlink(real)
                _ = rename(kept, real)
            }
        }
        for index in 0..<300 {
            _ = try? await store.put(ObjectKey(validating: "a/\(index)"), ObjectBody("x"))
            _ = try? await store.delete("a/object")
        }
        swaps.cancel()
        await swaps.value
        #expect(outside.contents() == ["object"])
    }

    @Test func otherFilesAreLeftAlone() async throws {
        let folder = Folder()
        let store = try await folder.store()
        try await store.put("a/b", ObjectBody("x"))
        let foreign = ["objects/a.d/%zz", "objects/UPPER%2", "objects/a.d/%61", "notes.txt"]
        for name in foreign { try folder.write("not the store's", to: name) }
        mkfifo(folder.path + "/objects/pipe", 0o600)
        try manager.createDirectory(atPath: folder.path + "/objects/folder", withIntermediateDirectories: false)
        #expect(try await store.list(ListQuery(details: true)).keys == ["a/b"])
        await expect(.internal) { _ = try await store.get("pipe") }
        await expect(.internal) { _ = try await store.get("folder") }
        try await store.sweep()
        #expect(Set(folder.contents()).isSuperset(of: foreign))
    }

    @Test(arguments: [10, 100_000, 2_000_000])
    func damageIsFound(_ size: Int) async throws {
        let folder = Folder()
        let store = try await folder.store()
        let good = bytes(size)
        let file = URL(filePath: folder.path + "/objects/a")
        for offset in [0, size / 2, size - 1] {
            try await store.put("a", ObjectBody(good))
            var content = try Data(contentsOf: file)
            content[offset] ^= 1
            try content.write(to: file)
            await expect(.internal) { _ = try await store.bytes("a") }
            let options = GetOptions(verify: false)
            #expect(try await store.get("a", options: options).body.collect(upTo: size) != good)
        }
        let careless = try await folder.store { $0.verify = false }
        #expect(try await careless.bytes("a").count == size)
    }

    /// Files cut short, grown, emptied or with damaged metadata are no objects, and can be replaced and deleted.
    @Test func damagedFilesCanGo() async throws {
        let folder = Folder()
        let store = try await folder.store()
        let file = URL(filePath: folder.path + "/objects/a")
        try await store.put("a", ObjectBody(bytes(5000)))
        try await store.put("b", ObjectBody("x"))
        let good = try Data(contentsOf: file)
        var damaged = [Data(), good.dropLast(), good.prefix(5000), good + [0], good.dropFirst(), Data(bytes(200))]
        for offset in stride(from: 5000, to: good.count, by: 7) {
            var flipped = good
            flipped[offset] ^= 0x55
            damaged.append(flipped)
        }
        // Another object's file in its place is none of it.
        damaged.append(try Data(contentsOf: URL(filePath: folder.path + "/objects/b")))
        for content in damaged {
            try content.write(to: file)
            await expect(.internal) { _ = try await store.get("a") }
            await expect(.internal) { _ = try await store.info("a") }
            #expect(try await store.list(ListQuery(details: true)).keys == ["b"])
            #expect(try await store.delete("a"))
            #expect(!(try await store.delete("a")))
            try content.write(to: file)
            try await store.put("a", ObjectBody("new"))
            #expect(try await store.bytes("a") == Array("new".utf8))
        }
    }

    /// A record of a message id whose checksum is right, and whose size is none.
    @Test func aRecordThatMakesNoSenseIsNone() async throws {
        let folder = Folder()
        let store = try await folder.store()
        let options = PutOptions(messageID: "id")
        let first = try await store.put("a", ObjectBody("x"), options: options)
        let file = folder.url.appending(path: "ids/" + Digest(of: "id".utf8).hexadecimal)
        var content = Array(try Data(contentsOf: file))
        let (footer, sum) = (content.count - Trailer.footerSize, content.count - 16)
        content.replaceSubrange(footer..<footer + 8, with: [UInt8](repeating: 0xFF, count: 8))
        let checksum = content[..<sum].withUnsafeBytes { $0.checksum }
        content.replaceSubrange(sum..<sum + 8, with: withUnsafeBytes(of: checksum.littleEndian) { Array($0) })
        try Data(content).write(to: file)
        #expect(try await store.put("a", ObjectBody("y"), options: options).version != first.version)
    }

    /// A process that was stopped while it held a key's lock: who waits for it waits together, and the next ones do not.
    @Test func waitingForAStoppedProcessIsShared() async throws {
        let folder = try Folder(isPortable: false)
        func locks() throws -> FileLocks {
            let root = try Descriptor.open(root: folder.path)
            return FileLocks(try root.open("lock", O_RDWR | O_CREAT, mode: 0o666), patience: .seconds(3))
        }
        // Locks of two open files exclude each other as those of two processes do.
        let (stopped, ours) = (try locks(), try locks())
        let threads = try IOThreads(count: 9)
        let isHeld = Mutex(true)
        let isTaken = Atomic(false)
        async let holding: Void = threads.run { () throws(StorageError) in
            try stopped.exclusively(.key, "a") { () throws(StorageError) in
                isTaken.store(true, ordering: .relaxed)
                while isHeld.withLock({ $0 }) { usleep(1000) }
            }
        }
        try await eventually("nobody holds the lock") { isTaken.load(ordering: .relaxed) }
        let start = ContinuousClock.now
        let kinds = await withTaskGroup(of: StorageError.Kind?.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    do throws(StorageError) {
                        try await threads.run { () throws(StorageError) in
                            try ours.exclusively(.key, "a") { () throws(StorageError) in }
                        }
                        return nil
                    } catch {
                        return error.kind
                    }
                }
            }
            return await group.reduce(into: [StorageError.Kind?]()) { $0.append($1) }
        }
        #expect(kinds == [StorageError.Kind?](repeating: .unavailable, count: 8))
        // One after the other, they would take 24 s.
        #expect(ContinuousClock.now - start < .seconds(20))
        isHeld.withLock { $0 = false }
        try await holding
        try await threads.run { () throws(StorageError) in
            try ours.exclusively(.key, "a") { () throws(StorageError) in }
        }
    }

    /// A body that is read while its object goes or changes is still the whole old one.
    @Test func aReaderKeepsItsVersion() async throws {
        let folder = Folder()
        let store = try await folder.store(.none)
        let (old, new) = (bytes(3_000_000), [UInt8](repeating: 1, count: 3_000_000))
        try await store.put("a", ObjectBody(old))
        let (first, second) = (try await store.get("a"), try await store.get("a"))
        try await store.put("a", ObjectBody(new))
        #expect(try await first.body.collect(upTo: 3_000_000) == old)
        try await store.delete("a")
        #expect(try await second.body.collect(upTo: 3_000_000) == old)
        #expect(folder.objects == [])
    }

    /// As in every store, nothing begins with it.
    @Test func aPrefixLongerThanAnyPathIsOfNothing() async throws {
        let folder = Folder()
        let store = try await folder.store()
        try await store.put("a/a/a", ObjectBody("x"))
        for prefix in [String(repeating: "a/", count: 3000), String(repeating: "a", count: 6000)] {
            #expect(try await store.list(ListQuery(prefix: prefix)).keys == [])
        }
    }

    /// Folders made above the store's own last too.
    @Test func eachNewFolderIsSyncedInItsParent() async throws {
        let folder = Folder()
        let (inner, innermost) = (folder.url.appending(path: "a"), folder.url.appending(path: "a/b"))
        let synced = try await StoreWriter.syncsNewFolders(
            [folder.url, inner, innermost], ["file", innermost.path, "always", "put", "k", "10"])
        #expect(synced == [true, true, true])
    }

    @Test func aFolderThatCannotBeMadeIsTold() async throws {
        let folder = try Folder(isPortable: false)
        try folder.write("a file", to: "file")
        let path = folder.path + "/file/inner"
        await #expect {
            try await FileStore.open(FileStoreConfiguration(path: path))
        } throws: {
            let error = $0 as? StorageError
            return error?.operation == .open && error?.message.contains(path) == true
        }
    }
}
