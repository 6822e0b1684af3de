import FoundationEssentials
import Glibc
import Storage

/// One page of a listing: walks the folders in the order of keys, from where the page starts.
///
/// Of each folder only so many names are kept in memory as the page may need. On an I/O thread.
struct FileListing {
    private let query: ListQuery
    private let root: Root
    private let now: Date
    /// Whether infos have to be read: for themselves, or because objects may have expired.
    private let readsInfos: Bool
    /// What every key of the listing begins with.
    private let prefix: [UInt8]
    private let lowerBound: [UInt8]
    /// How many segments a key has, where a pattern says so.
    private let depth: Int?
    private var builder: ListPageBuilder
    private var levels: [FolderLevel] = []
    /// A prefix that is on the page already: nothing in it is of interest any more.
    private var rolledUp: [UInt8]?

    init(_ query: ListQuery, _ root: Root, now: Date) {
        self.query = query
        self.root = root
        self.now = now
        readsInfos = query.details || root.mayExpire()
        let literal = query.pattern?.literalPrefix ?? ""
        prefix = Array((literal.utf8.count > query.prefix.utf8.count ? literal : query.prefix).utf8)
        lowerBound = Array(query.lowerBound.utf8)
        depth = query.pattern.map { $0.rawValue.utf8.split(separator: UInt8(ascii: "/")).count }
        builder = ListPageBuilder(query)
        rolledUp = query.rolledUp(by: query.startAfter ?? "")
    }

    mutating func page() throws(StorageError) -> ListPage {
        try enterFirst()
        while !levels.isEmpty {
            guard let entry = try nextEntry() else {
                levels.removeLast()
                continue
            }
            if entry.isFolder {
                try enter(entry)
            } else if try !take(entry) {
                break
            }
        }
        return builder.result
    }

    private mutating func nextEntry() throws(StorageError) -> FolderLevel.Entry? {
        var level = levels.removeLast()
        defer { levels.append(level) }
        return try level.next(root)
    }

    /// The folder that holds whatever begins with the prefix.
    private mutating func enterFirst() throws(StorageError) {
        var segments = prefix.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        segments.removeLast()
        // No key has such segments, and no name is made of them.
        if segments.contains(where: { $0.isEmpty || $0.contains(0) }) { return }
        let start = segments.isEmpty ? [] : Array(segments.joined(separator: [UInt8(ascii: "/")])) + [UInt8(ascii: "/")]
        levels.append(level(root.names.folder(of: segments), start))
    }

    private mutating func enter(_ entry: FolderLevel.Entry) throws(StorageError) {
        if let rolledUp, entry.key.starts(with: rolledUp) { return }
        let segments = entry.key.count { $0 == UInt8(ascii: "/") }
        if let depth, segments >= depth { return }
        levels.append(level(entry.path, entry.key))
    }

    private func level(_ path: String, _ start: [UInt8]) -> FolderLevel {
        FolderLevel(path: path, start: start, prefix: prefix, from: lowerBound, room: query.limit + 1)
    }

    /// Puts an object on the page; false where the page is complete.
    private mutating func take(_ entry: FolderLevel.Entry) throws(StorageError) -> Bool {
        if let rolledUp, entry.key.starts(with: rolledUp) { return true }
        guard let text = String(validating: entry.key, as: UTF8.self), let key = ObjectKey(text),
            // Another spelling of a name is no file of the store's.
            root.names.path(of: text) == entry.path, query.admits(key), let info = try info(of: key, entry.path)
        else { return true }
        guard builder.add(info) else { return false }
        if let common = query.commonPrefix(of: key) { rolledUp = Array(common.utf8) }
        return true
    }

    /// The info where it is needed, one that knows the key alone otherwise; nil for what does not belong in the listing.
    private func info(of key: ObjectKey, _ path: String) throws(StorageError) -> ObjectInfo? {
        guard readsInfos else {
            return ObjectInfo(key: key, size: 0, version: Version(""), digest: nil, modified: now)
        }
        return try StoredFile.readableInfo(path, key, in: root.objects).flatMap { $0.isExpired(at: now) ? nil : $0 }
    }
}

extension ListQuery {
    /// The prefix that whatever begins with `text` was rolled up into, if any.
    fileprivate func rolledUp(by text: String) -> [UInt8]? {
        guard let delimiter, text.utf8HasPrefix(prefix) else { return nil }
        let (bytes, mark) = (Array(text.utf8), Array(delimiter.utf8))
        var end = prefix.utf8.count + mark.count
        while end <= bytes.count {
            if bytes[..<end].suffix(mark.count).elementsEqual(mark) { return Array(bytes[..<end]) }
            end += 1
        }
        return nil
    }
}
