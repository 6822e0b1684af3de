import FoundationEssentials
import Glibc
import Storage
import Synchronization

/// The folder of a store, opened: `objects/` holds the objects, `tmp/` what is being written, `ids/` the message ids of
/// the last minutes, `lock` the locks, and `format` says how names are written. `expiring` is there as soon as an object
/// was ever given an expiry: until then a listing need not look into files.
final class Root: Sendable {
    let folder: Descriptor
    let objects: Descriptor
    let temporary: Descriptor
    let ids: Descriptor
    let locks: FileLocks
    let names: NameEncoding
    let windows = ListWindows()
    private let knowsExpiring = Atomic(false)
    private let isOpen = Atomic(true)

    /// Opens the folder, made where it is missing. On an I/O thread.
    init(_ path: String) throws(StorageError) {
        try SyncedFolder.make(path) { .system($0) }
        folder = try Descriptor.open(root: path)
        objects = try folder.folder("objects").folder
        temporary = try folder.folder("tmp").folder
        ids = try folder.folder("ids").folder
        locks = FileLocks(try folder.open("lock", O_RDWR | O_CREAT, mode: 0o666))
        names = try Format(folder: folder, temporary: temporary, locks: locks).settle()
        try folder.sync()
    }

    /// Throws `unavailable` after ``close()``.
    func checkOpen() throws(StorageError) {
        guard isOpen.load(ordering: .relaxed) else { throw StorageError(.unavailable, "the file store is shut down") }
    }

    /// Later operations are refused; descriptors close with the last operation under way.
    func close() {
        isOpen.store(false, ordering: .relaxed)
    }

    /// Whether any object may expire.
    func mayExpire() -> Bool {
        if knowsExpiring.load(ordering: .relaxed) { return true }
        guard faccessat(folder.number, "expiring", F_OK, 0) == 0 else { return false }
        knowsExpiring.store(true, ordering: .relaxed)
        return true
    }

    /// To be called before the first object that expires becomes visible.
    func noteExpiring() throws(StorageError) {
        if mayExpire() { return }
        try folder.open("expiring", O_WRONLY | O_CREAT, mode: 0o666).sync()
        try folder.sync()
    }
}

/// How a store's names are written, settled by the first process that opens it.
private struct Format {
    let folder: Descriptor
    let temporary: Descriptor
    let locks: FileLocks

    /// Reads the format, or writes it for a new store, by what its file system keeps apart.
    func settle() throws(StorageError) -> NameEncoding {
        let keepsApart = try keepsNamesApart()
        if let names = try read() { return try check(names, keepsApart) }
        let names: NameEncoding = keepsApart ? .exact : .portable
        let token = uniqueToken()
        let file = try temporary.open(token, O_WRONLY | O_CREAT | O_EXCL, mode: 0o666)
        try file.write(Array("nats-storage files 1 \(names.rawValue)\n".utf8))
        try file.sync()
        // Of several processes one is first; its word holds.
        var isFirst = linkat(temporary.number, token, folder.number, "format", 0) == 0
        let failure = errno
        if !isFirst && SystemError.isWithoutLinks(failure) { isFirst = try renameIfFirst(token) }
        try temporary.unlink(token)
        if isFirst { return names }
        guard let names = try read() else { throw .system("writing the store's format", failure) }
        return try check(names, keepsApart)
    }

    /// What a link does at once, where the file system has none.
    private func renameIfFirst(_ token: String) throws(StorageError) -> Bool {
        try locks.exclusively(.key, "format") { () throws(StorageError) in
            if try read() != nil { return false }
            guard renameat(temporary.number, token, folder.number, "format") == 0 else {
                throw .system("writing the store's format")
            }
            return true
        }
    }

    private func check(_ names: NameEncoding, _ keepsApart: Bool) throws(StorageError) -> NameEncoding {
        guard names == .portable || keepsApart else {
            throw StorageError(
                .invalid, "the store was made on a file system that keeps all names apart; this one does not",
                operation: .open)
        }
        return names
    }

    private func read() throws(StorageError) -> NameEncoding? {
        guard let file = try folder.openIfPresent("format") else { return nil }
        let text = String(decoding: try file.read(100, at: 0), as: UTF8.self)
        for names in NameEncoding.allCases where text == "nats-storage files 1 \(names.rawValue)\n" { return names }
        throw StorageError(.invalid, "the folder is no file store of this program's version", operation: .open)
    }

    /// Whether names that differ in letter case or normalization are names of two files.
    private func keepsNamesApart() throws(StorageError) -> Bool {
        let token = uniqueToken()
        let name = "probe-\(token)-\u{e9}"
        do throws(StorageError) {
            _ = try temporary.open(name, O_WRONLY | O_CREAT | O_EXCL, mode: 0o666)
        } catch  where error.systemCode == EINVAL || error.systemCode == EILSEQ {
            return false
        }
        defer { _ = unlinkat(temporary.number, name, 0) }
        for other in ["PROBE-\(token)-\u{e9}", "probe-\(token)-\u{c9}", "probe-\(token)-e\u{301}"] {
            if try temporary.openIfPresent(other) != nil { return false }
        }
        return true
    }
}

/// 75 random bits as 15 letters and digits: a version, or a name that nobody else has. A string as short takes no memory
/// of its own.
func uniqueToken() -> String {
    let random = (UInt64.random(in: 0 ... .max), UInt64.random(in: 0 ... .max))
    return String(unsafeUninitializedCapacity: 15) { buffer in
        for place in 0..<15 {
            let bits = UInt8(truncatingIfNeeded: (place < 12 ? random.0 : random.1) >> UInt64(5 * (place % 12)) & 31)
            buffer[place] = bits < 26 ? UInt8(ascii: "a") + bits : UInt8(ascii: "2") + bits - 26
        }
        return 15
    }
}
