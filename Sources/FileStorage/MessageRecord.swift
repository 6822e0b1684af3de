import FoundationEssentials
import Glibc
import Storage

/// What a message id stored, kept for two minutes: under the id's lock only.
///
/// Announced before the object is put in place and confirmed after, so that a process that ends in between leaves what
/// tells whether it was. Not synced: a power failure may forget it.
struct MessageRecord {
    static let window: TimeInterval = 120

    /// What the id's lock and files are named by.
    let name: String
    private let root: Root

    init(id: String, root: Root) {
        name = Digest(of: id.utf8).hexadecimal
        self.root = root
    }

    private var announced: String { name + ".announced" }

    /// What the id stored within the window; nil where nothing.
    func first(at now: Date) throws(StorageError) -> ObjectInfo? {
        if let info = try read(name), now.timeIntervalSince(info.modified) <= Self.window { return info }
        guard let info = try read(announced), now.timeIntervalSince(info.modified) <= Self.window else { return nil }
        let path = root.names.path(of: info.key.rawValue)
        let current = try StoredFile.open(path, info.key, in: root.objects)
        return current?.info.version == info.version ? info : nil
    }

    private func read(_ name: String) throws(StorageError) -> ObjectInfo? {
        guard let file = try root.ids.openIfPresent(name) else { return nil }
        let size = Int(try file.status().st_size)
        guard size <= Trailer.longest + Trailer.footerSize else { return nil }
        let bytes = try file.read(size, at: 0)
        // One cut short by a crash says nothing.
        return bytes.withUnsafeBytes { Trailer($0) }?.info
    }

    func announce(_ info: ObjectInfo) throws(StorageError) {
        let file = try root.ids.open(announced, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o666)
        try file.write(try Trailer(info).encoded())
    }

    func confirm() {
        // Where this fails the announcement still tells as long as the object is there.
        _ = renameat(root.ids.number, announced, root.ids.number, name)
    }
}
