import FileStorage
import Foundation
import Storage
import Synchronization
import TestSupport
import Testing

/// A change of a store that a process of its own makes, and what may be found after it was cut short.
struct Change: Sendable, CustomTestStringConvertible {
    let name: String
    let arguments: [String]
    /// Whether an object is there before.
    let isOverwrite: Bool
    let durability: FileStoreConfiguration.Durability

    static let key: ObjectKey = "folder/deep/object"
    static let old = [UInt8](repeating: UInt8(ascii: "o"), count: 10_000)
    /// More than one chunk: as a stream is written.
    static let large = 1_200_000
    static let small = 5000

    let size: Int
    private var new: [UInt8] { [UInt8](repeating: UInt8(ascii: "n"), count: size) }
    var testDescription: String { "\(name), \(durability)" }

    private init(
        _ name: String, _ verb: String, _ size: Int, _ isOverwrite: Bool,
        _ durability: FileStoreConfiguration.Durability = .always
    ) {
        self.size = size
        self.name = name
        self.isOverwrite = isOverwrite
        self.durability = durability
        arguments = ["file", durability.rawValue, verb, Self.key.rawValue, String(size)]
    }

    static let put = Change("put", "put", large, false)
    static let overwrite = Change("overwrite", "overwrite", large, true)
    static let all = [
        put, overwrite, Change("small put", "put", small, false), Change("small overwrite", "overwrite", small, true),
        Change("create", "create", small, false), Change("delete", "delete", small, true),
        Change("retitle", "retitle", small, true), Change("overwrite", "overwrite", small, true, .batched),
        Change("overwrite", "overwrite", small, true, .none),
    ]

    /// A folder as the change finds it.
    func folder() async throws -> Folder {
        let folder = Folder()
        let store = try await folder.store(.none)
        if isOverwrite { try await store.put(Self.key, ObjectBody(Self.old)) }
        await store.shutdown()
        return folder
    }

    /// What a process finds that comes after: nil for no object.
    ///
    /// Everything is checked on the way: that it is whole, that listings say the same, that no temporary file stays.
    func found(in folder: Folder) async throws -> ObjectInfo? {
        let store = try await folder.store(.none) { $0.temporaryGrace = .zero }
        #expect(folder.temporaryFiles == [])
        let page = try await store.list(ListQuery(details: true))
        let info = page.objects?.first
        #expect(page.keys == (info == nil ? [] : [Self.key]))
        if let info {
            let bytes = try await store.bytes(Self.key)
            #expect(bytes.count == info.size && (bytes == Self.old || bytes == new))
        } else {
            await #expect(throws: StorageError.self) { try await store.info(Self.key) }
        }
        // And it goes on.
        try await store.put(Self.key, ObjectBody("next"))
        await store.shutdown()
        return info
    }

    /// Whether what was found is what a complete change leaves.
    func isComplete(_ found: ObjectInfo?) -> Bool {
        switch arguments[2] {
        case "delete": found == nil
        case "retitle": found?.size == Self.old.count && found?.attributes.contentType == "text/new"
        default: found?.size == size
        }
    }

    /// Whether what was found is what was there before.
    func isUntouched(_ found: ObjectInfo?) -> Bool {
        isOverwrite ? found?.size == Self.old.count && found?.attributes.contentType == nil : found == nil
    }
}

/// Changes cut short at every system call that touches the store's folder.
@Suite struct CrashTests {
    @Test(arguments: Change.all)
    func killedAtEveryCall(_ change: Change) async throws {
        let untouched = Mutex(0)
        try await forEach(try await calls(of: change)) { call in
            let folder = try await change.folder()
            let result = try await StoreWriter.run(
                change.arguments, in: folder.url, injecting: "signal=KILL", at: call)
            #expect(result?.signal == SIGKILL && result?.output == "begin\n", "\(call): \(String(describing: result))")
            let found = try await change.found(in: folder)
            #expect(
                change.isComplete(found) || change.isUntouched(found),
                "killed at \(call.line): \(String(describing: found))")
            if change.isUntouched(found) { untouched.withLock { $0 += 1 } }
        }
        // Before the first call nothing can have changed; behind the one that makes the change visible it is.
        #expect(untouched.withLock { $0 } > 0)
    }

    @Test(arguments: [Change.put, .overwrite], ["ENOSPC", "EIO"])
    func failedAtEveryCall(_ change: Change, _ error: String) async throws {
        let failures = Mutex(0)
        try await forEach(try await calls(of: change)) { call in
            let folder = try await change.folder()
            let result = try await StoreWriter.run(
                change.arguments, in: folder.url, injecting: "error=\(error)", at: call)
            let outcome = try #require(result, "\(call) was not met").outcome
            let found = try await change.found(in: folder)
            if outcome == "done" {
                #expect(change.isComplete(found), "\(error) at \(call.line)")
            } else if outcome.contains("may not survive a power failure") {
                #expect(outcome.hasPrefix("failed unavailable") && change.isComplete(found), "\(error) at \(call.line)")
            } else {
                failures.withLock { $0 += 1 }
                #expect(
                    outcome.hasPrefix("failed ") && change.isUntouched(found), "\(error) at \(call.line): \(outcome)")
            }
        }
        #expect(failures.withLock { $0 } > 3)
    }

    /// Which error each failing call becomes.
    @Test(arguments: [
        ("write", "ENOSPC", "unavailable transient", "free some space"),
        ("write", "EDQUOT", "unavailable transient", "free some space"),
        ("write", "EIO", "internal fatal", "writing a file"),
        ("write", "EFBIG", "too_large invalid", "writing a file"),
        ("fsync", "EIO", "internal fatal", "syncing to the disk"),
        ("openat2", "EMFILE", "unavailable transient", "try again"),
        ("openat2", "ENFILE", "unavailable transient", "try again"),
        ("openat2", "EACCES", "unavailable fatal", "must be writable"),
        ("openat2", "EROFS", "unavailable fatal", "must be writable"),
        ("renameat", "ENOSPC", "unavailable transient", "free some space"),
        ("fcntl", "ENOLCK", "internal fatal", "locking a key"),
    ])
    func errorsAreToldApart(_ call: String, _ error: String, _ kind: String, _ advice: String) async throws {
        let first = try #require(try await calls(of: .overwrite).first { $0.name == call })
        let folder = try await Change.overwrite.folder()
        let result = try await StoreWriter.run(
            Change.overwrite.arguments, in: folder.url, injecting: "error=\(error)", at: first)
        let outcome = try #require(result).outcome
        #expect(outcome.hasPrefix("failed \(kind) put “\(Change.key)”: ") && outcome.contains(advice), "\(outcome)")
        #expect(folder.temporaryFiles == [])
        let found = try await Change.overwrite.found(in: folder)
        #expect(Change.overwrite.isUntouched(found))
    }

    /// Without descriptors a put fails and leaves what was there; with them again it succeeds.
    @Test func noDescriptorsLeft() async throws {
        let folder = try await Change.overwrite.folder()
        let result = try await StoreWriter.run(["file", folder.path, "always", "exhausted", Change.key.rawValue, "100"])
        #expect(result.output.contains("failed unavailable transient") && result.outcome == "done", "\(result)")
    }

    /// On a file system that is full a put fails and leaves what was there; with room again it succeeds.
    @Test func noRoomLeft() async throws {
        let folder = Folder()
        let arguments = ["file", folder.path, "always", "full", Change.key.rawValue, "100000"]
        let result = try await StoreWriter.run(arguments, onMebibytes: 1)
        let lines = result.output.split(separator: "\n")
        #expect(lines.count == 5 && lines[3...] == ["whole", "done"], "\(result)")
        for line in lines.dropFirst().prefix(2) {
            #expect(line.hasPrefix("failed unavailable transient put “") && line.contains("free some space"))
        }
    }

    /// In folders that it may not write a process is told so.
    @Test func noPermission() async throws {
        let folder = try await Change.overwrite.folder()
        let arguments = ["file", folder.path, "always", "denied", Change.key.rawValue, "100"]
        let result = try await StoreWriter.run(arguments, tracer: StoreWriter.withoutPrivilege)
        #expect(result.output.contains("failed unavailable fatal put “\(Change.key)”"), "\(result)")
        #expect(result.output.contains("must be writable") && result.outcome == "done", "\(result)")
    }

    /// Beyond the limit of file sizes of a process.
    @Test func filesTooLargeForTheProcess() async throws {
        let folder = try await Change.overwrite.folder()
        let limit = ["sh", "-c", #"trap "" XFSZ; ulimit -f 1000; exec "$@""#, "sh"]
        let result = try await StoreWriter.run(
            StoreWriter.located(Change.overwrite.arguments, in: folder.url), tracer: limit)
        #expect(result.outcome.hasPrefix("failed too_large invalid"), "\(result)")
        #expect(folder.temporaryFiles == [])
        let found = try await Change.overwrite.found(in: folder)
        #expect(Change.overwrite.isUntouched(found))
    }

    /// Whoever was first may have ended before it came to that.
    @Test(arguments: ["repeat", "delete"])
    func repeatsAreSyncedToo(_ verb: String) async throws {
        let folder = Folder()
        let store = try await folder.store(.none)
        try await store.put("inner/other", ObjectBody("x"))
        _ = try await store.put("inner/key", ObjectBody("x"), options: PutOptions(messageID: "id"))
        if verb == "delete" { try await store.delete("inner/key") }
        let calls = try await StoreWriter.trace(["file", "always", verb, "inner/key", "1"]) { folder.url }
        #expect(calls.contains { $0.name == "fsync" && $0.line.contains("/objects/inner.d>") }, "\(calls)")
    }

    /// As on FAT, and on some network file systems.
    @Test(arguments: ["EPERM", "EOPNOTSUPP", "ENOSYS"])
    func withoutHardLinks(_ code: String) async throws {
        let folder = Folder()
        let log = folder.path + "-trace"
        defer { try? FileManager.default.removeItem(atPath: log) }
        let tracer = ["strace", "-f", "-qq", "-o", log, "-e", "trace=linkat", "-e", "inject=linkat:error=\(code)"]
        for verb in ["create", "put"] {
            let result = try await StoreWriter.run(["file", folder.path, "always", verb, verb, "10"], tracer: tracer)
            #expect(result.outcome == "done", "\(result)")
            #expect(try String(contentsOfFile: log, encoding: .utf8).contains("INJECTED") == (verb == "create"))
        }
        let store = try await folder.store()
        #expect(try await store.list(ListQuery()).keys == ["create", "put"] && folder.temporaryFiles == [])
    }

    private func calls(of change: Change) async throws -> [TracedCall] {
        // Kept until the change has run in it.
        let folder = try await change.folder()
        let calls = try await StoreWriter.trace(change.arguments) { folder.url }
        #expect(calls.count > 3, "\(calls)")
        return calls
    }
}
