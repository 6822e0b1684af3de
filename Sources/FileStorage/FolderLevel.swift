import Glibc
import Storage

/// One folder of a walk: gives what it holds in the order of keys, reading the folder as often as it takes to keep only
/// a bounded number of names in memory. Of what it read beyond a page the next one starts, where nothing has changed.
struct FolderLevel {
    struct Entry: Sendable {
        /// The object's key, or what begins the keys of all objects in the folder, `/` included.
        let key: [UInt8]
        let path: String
        let isFolder: Bool
    }

    private let path: String
    private let start: [UInt8]
    private let prefix: [UInt8]
    private let room: Int
    /// Nothing before it is of interest, but for the folder that it lies in.
    private var from: [UInt8]
    /// What was given last: only what follows it is still to come.
    private var last: [UInt8]?
    /// In reverse, so that the next one is the last.
    private var entries: [Entry] = []
    private var hasMore = true
    /// Whether the folder's names go on in other folders.
    private var isContinued = false

    init(path: String, start: [UInt8], prefix: [UInt8], from: [UInt8], room: Int) {
        self.path = path
        self.start = start
        self.prefix = prefix
        self.from = from
        self.room = max(ListWindows.size, room)
    }

    /// The next entry; nil after the last.
    mutating func next(_ root: Root) throws(StorageError) -> Entry? {
        if entries.isEmpty && hasMore { try fill(root) }
        guard let entry = entries.popLast() else { return nil }
        last = entry.key
        return entry
    }

    private mutating func fill(_ root: Root) throws(StorageError) {
        // Taken before it is read: what changes from here on shows.
        let stamp = try self.stamp(root.objects)
        if last == nil, let stamp, let window = root.windows.find(path, stamp, prefix: prefix, from: from) {
            entries = window.entries.filter(isWanted).reversed()
            hasMore = window.hasMore
            if !entries.isEmpty || !hasMore { return }
        }
        hasMore = false
        try read(path, start, root.objects)
        entries.sort { $1.key.lexicographicallyPrecedes($0.key) }
        trimFront()
        // Small folders are soon read again.
        guard last == nil, let stamp, !isContinued, entries.count >= ListWindows.size / 8 else { return }
        root.windows.keep(
            ListWindows.Window(
                path: path, stamp: stamp, prefix: prefix, from: from, entries: entries.reversed(), hasMore: hasMore))
    }

    private func stamp(_ objects: Descriptor) throws(StorageError) -> FolderStamp? {
        guard let folder = try objects.openIfFolder(path) else { return nil }
        defer { folder.close() }
        return try FolderStamp(folder)
    }

    /// Reads a folder, and those that continue its names, whose entries lie among its own in order.
    private mutating func read(_ path: String, _ begun: [UInt8], _ objects: Descriptor) throws(StorageError) {
        // Removed for being empty, or no folder at all: nothing in it is an object.
        guard let folder = try objects.openIfFolder(path) else { return }
        defer { folder.close() }
        var continuations: [(path: String, begun: [UInt8])] = []
        try folder.forEachName { name throws(StorageError) in
            guard let (kind, bytes) = NameEncoding.decode(name), begun.count + bytes.count < ObjectKey.maximumBytes + 1
            else { return true }
            let inner = path == "." ? name : path + "/" + name
            switch kind {
            case .continuation: continuations.append((inner, begun + bytes))
            case .folder: add(Entry(key: begun + bytes + [UInt8(ascii: "/")], path: inner, isFolder: true))
            case .object: add(Entry(key: begun + bytes, path: inner, isFolder: false))
            }
            return true
        }
        isContinued = isContinued || !continuations.isEmpty
        for (path, begun) in continuations { try read(path, begun, objects) }
    }

    private func isWanted(_ entry: Entry) -> Bool {
        if let last, !last.lexicographicallyPrecedes(entry.key) { return false }
        let isAhead = !entry.key.lexicographicallyPrecedes(from) || (entry.isFolder && from.starts(with: entry.key))
        return isAhead
            && (entry.key.starts(with: prefix) || (entry.isFolder && prefix.starts(with: entry.key)))
    }

    private mutating func add(_ entry: Entry) {
        guard isWanted(entry) else { return }
        entries.append(entry)
        if entries.count >= 2 * room { keepFirst() }
    }

    /// Drops what lies furthest ahead: it is read again when its turn comes.
    private mutating func keepFirst() {
        entries.sort { $0.key.lexicographicallyPrecedes($1.key) }
        entries.removeLast(entries.count - room)
        hasMore = true
    }

    private mutating func trimFront() {
        if hasMore && entries.count > room { entries.removeFirst(entries.count - room) }
    }
}
