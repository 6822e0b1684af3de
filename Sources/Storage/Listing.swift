/// Which keys to list, and how much of them.
public struct ListQuery: Sendable, Hashable {
    /// The most keys and prefixes that one page may hold.
    public static let maximumLimit = 10_000

    /// Keys that begin with these bytes; empty: all.
    public var prefix: String
    /// Keys that match too.
    public var pattern: KeyPattern?
    /// Keys that hold it after the prefix are rolled up into one prefix, up to and including it.
    public var delimiter: String?
    /// Only what follows this text in the order of UTF-8 bytes; a page's `next` continues it.
    public var startAfter: String?
    /// How many keys and prefixes together the page may hold: 1…10,000.
    public var limit: Int
    /// Whether infos are wanted beside the keys.
    public var details: Bool

    /// All keys unless told otherwise.
    public init(
        prefix: String = "", pattern: KeyPattern? = nil, delimiter: String? = nil, startAfter: String? = nil,
        limit: Int = 1000, details: Bool = false
    ) {
        self.prefix = prefix
        self.pattern = pattern
        self.delimiter = delimiter
        self.startAfter = startAfter
        self.limit = limit
        self.details = details
    }

    /// Throws `invalid` for a limit out of range or an empty delimiter.
    public func validate() throws(StorageError) {
        guard (1...Self.maximumLimit).contains(limit) else {
            throw StorageError(.invalid, "limit \(limit) is not in 1…\(Self.maximumLimit)", operation: .list)
        }
        if let delimiter, delimiter.isEmpty {
            throw StorageError(.invalid, "the delimiter is empty; leave it out to list without one", operation: .list)
        }
    }

    /// The common prefix that `key` is rolled up into, if any.
    package func commonPrefix(of key: ObjectKey) -> String? {
        guard let delimiter else { return nil }
        let bytes = Array(key.rawValue.utf8)
        let mark = Array(delimiter.utf8)
        var index = prefix.utf8.count
        while index + mark.count <= bytes.count {
            if bytes[index..<index + mark.count].elementsEqual(mark) {
                return String(decoding: bytes[..<(index + mark.count)], as: UTF8.self)
            }
            index += 1
        }
        return nil
    }

    /// Where a page starts in the order of keys: the first key at or after it may belong to the page.
    package var lowerBound: String {
        let literal = pattern?.literalPrefix ?? ""
        return [prefix, literal, startAfter ?? ""].reduce("") { $0.utf8Precedes($1) ? $1 : $0 }
    }

    /// Whether no key at or after `key` can belong to the listing.
    package func isPast(_ key: ObjectKey) -> Bool {
        [prefix, pattern?.literalPrefix ?? ""].contains {
            !key.rawValue.utf8HasPrefix($0) && $0.utf8Precedes(key.rawValue)
        }
    }

    /// Whether `key` belongs to the listing at all, pages aside.
    package func admits(_ key: ObjectKey) -> Bool {
        key.rawValue.utf8HasPrefix(prefix) && (pattern?.matches(key) ?? true)
    }
}

/// A part of a listing, in lexicographic order of UTF-8 bytes.
public struct ListPage: Sendable, Hashable {
    /// The keys of this page.
    public var keys: [ObjectKey]
    /// The rolled-up prefixes of this page, with a delimiter.
    public var prefixes: [String]
    /// The infos of `keys`, in the same order, where details were asked for.
    public var objects: [ObjectInfo]?
    /// The `startAfter` of the following page; nil: this was the last.
    public var next: String?

    /// A page of these parts; empty unless given.
    public init(keys: [ObjectKey] = [], prefixes: [String] = [], objects: [ObjectInfo]? = nil, next: String? = nil) {
        self.keys = keys
        self.prefixes = prefixes
        self.objects = objects
        self.next = next
    }
}

/// Builds one page from infos that come in order of their keys: what a backend's list answers with.
public struct ListPageBuilder: Sendable {
    private let query: ListQuery
    private var page: ListPage
    private var last: String?

    /// An empty page for `query`.
    public init(_ query: ListQuery) {
        self.query = query
        page = ListPage(objects: query.details ? [] : nil)
    }

    /// The page so far.
    public var result: ListPage { page }

    /// Takes the next info; false when the page is complete and the info was not taken.
    public mutating func add(_ info: ObjectInfo) -> Bool {
        if case .stop = add(info.key, info: { info }) { false } else { true }
    }

    /// Takes the next key, and says which one is wanted after it; asks for its info where details are wanted.
    package mutating func add(_ key: ObjectKey, info: () -> ObjectInfo?) -> SortedKeys.Step {
        guard query.admits(key) else { return query.isPast(key) ? .stop : .next }
        if let startAfter = query.startAfter, !startAfter.utf8Precedes(key.rawValue) { return .next }
        let common = query.commonPrefix(of: key)
        if let common, page.prefixes.last.map(common.utf8IsEqual) ?? false || startsInside(common) {
            return .skip(prefix: common)
        }
        guard page.keys.count + page.prefixes.count < query.limit else {
            page.next = last
            return .stop
        }
        last = common ?? key.rawValue
        if let common {
            page.prefixes.append(common)
            return .skip(prefix: common)
        }
        if query.details {
            guard let info = info() else { return .next }
            page.objects?.append(info)
        }
        page.keys.append(key)
        return .next
    }

    /// Whether an earlier page ended with this very prefix, or inside it.
    private func startsInside(_ common: String) -> Bool {
        query.startAfter?.utf8HasPrefix(common) ?? false
    }
}
