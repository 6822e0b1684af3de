import Encodings
import FoundationEssentials
import HTTP
import HTTPStorage
import Storage

/// An entry of a listing, its name without the configured prefix.
struct ListedEntry: Sendable {
    let name: String
    /// Nil for a rolled-up prefix.
    let info: ObjectInfo?

    /// What stands for it in the order of keys.
    var representative: ObjectInfo? {
        if let info { return info }
        return ObjectKey(name + "0").map {
            ObjectInfo(key: $0, size: 0, version: Version(""), digest: nil, modified: Date(timeIntervalSince1970: 0))
        }
    }
}

extension S3Bucket {
    /// One page, in the order of UTF-8 bytes whatever the server's is.
    ///
    /// A server of another order is read from the beginning of the prefix to its end for each page; what is kept of it
    /// is one page.
    func list(_ query: ListQuery) async throws(StorageError) -> ListPage {
        guard let prefix = query.narrowestPrefix else { return ListPage(objects: query.details ? [] : nil) }
        var page: ListPage?
        if order.isByBytes { page = try await readOrdered(query, prefix) }
        let found: ListPage
        if let page { found = page } else { found = try await readAll(query, prefix) }
        return query.details ? try await withDetails(found) : found
    }

    /// Reads from where the page starts until it is full; nil: the server's order is another.
    private func readOrdered(_ query: ListQuery, _ prefix: String) async throws(StorageError) -> ListPage? {
        var builder = ListPageBuilder(query)
        var request = ListRequest(prefix: prefix, limit: min(1000, query.limit + 1))
        request.startAfter = query.startAfter
        request.delimiter = query.pattern == nil ? query.delimiter : nil
        var last: String?
        while true {
            let part = try await listPart(request)
            guard order.isByBytes else { return nil }
            for entry in part.entries.sorted(by: { $0.name.utf8Precedes($1.name) }) {
                if let last, !last.utf8Precedes(entry.name) {
                    order.distrust()
                    return nil
                }
                last = entry.name
                guard let info = entry.representative else { continue }
                // Some servers roll up by the first character of a delimiter.
                if entry.info == nil, query.commonPrefix(of: info.key) != entry.name { return nil }
                if !builder.add(info) { return builder.result }
            }
            guard let token = part.next else { return builder.result }
            try request.goOn(token, bucket: configuration.bucket)
        }
    }

    private func readAll(_ query: ListQuery, _ prefix: String) async throws(StorageError) -> ListPage {
        var smallest = SmallestEntries(query)
        var request = ListRequest(prefix: prefix, limit: 1000)
        while true {
            let part = try await listPart(request)
            for entry in part.entries { if let info = entry.info { smallest.add(info) } }
            guard let token = part.next else { return smallest.page }
            try request.goOn(token, bucket: configuration.bucket)
        }
    }

    /// A part of a listing as the server orders it.
    func listPart(_ list: ListRequest) async throws(StorageError) -> (entries: [ListedEntry], next: String?) {
        let root = configuration.prefix
        var request = S3Request(.get, query: list.query(root))
        request.timeout = Self.shortTimeout
        let (document, response) = try await mapped { () async throws(S3Failure) in
            try await client.document(request)
        }
        order.learn(response.headers)
        let isEncoded = document.text("EncodingType") == "url"
        func name(_ text: String?) -> String? {
            guard let text, let name = isEncoded ? PercentEncoding.decode(text, plusIsSpace: true) : text,
                name.utf8HasPrefix(root)
            else { return nil }
            return String(decoding: name.utf8.dropFirst(root.utf8.count), as: UTF8.self)
        }
        var entries = document.all("Contents").compactMap { object in
            name(object.text("Key")).flatMap { ObjectKey($0) }.map {
                ListedEntry(name: $0.rawValue, info: Self.info($0, object))
            }
        }
        let prefixes = document.all("CommonPrefixes").compactMap { prefix in
            name(prefix.text("Prefix")).map { ListedEntry(name: $0, info: nil) }
        }
        for names in [entries, prefixes] where !Self.ascends(names) { order.distrust() }
        entries += prefixes
        guard document.text("IsTruncated") == "true" else { return (entries, nil) }
        guard let next = document.text("NextContinuationToken"), !next.isEmpty else {
            throw S3Failure(nonsense: "a part of a listing without where the next one starts")
                .error(bucket: configuration.bucket)
        }
        return (entries, next)
    }

    private static func ascends(_ entries: [ListedEntry]) -> Bool {
        zip(entries, entries.dropFirst()).allSatisfy { $0.name.utf8Precedes($1.name) }
    }

    private static func info(_ key: ObjectKey, _ object: XMLElement) -> ObjectInfo {
        let modified = ServerTime.iso(object.text("LastModified")) ?? Date(timeIntervalSince1970: 0)
        let version = S3Version(etag: ETag.bare(object.text("ETag") ?? ""), token: nil, modified: modified)
        return ObjectInfo(
            key: key, size: object.size, version: version.version, digest: nil,
            modified: modified)
    }

    /// A listing tells neither metadata nor the whole version: each object is asked for, some at a time. What was
    /// deleted meanwhile is left out.
    private func withDetails(_ page: ListPage) async throws(StorageError) -> ListPage {
        let result = await withTaskGroup(of: (Int, Result<ObjectInfo?, StorageError>).self) { group in
            var infos = [ObjectInfo?](repeating: nil, count: page.keys.count)
            do throws(StorageError) {
                for (index, key) in page.keys.enumerated() {
                    if index >= 16, let (index, result) = await group.next() { infos[index] = try result.get() }
                    group.addTask {
                        do throws(StorageError) { return (index, .success(try await head(key))) } catch {
                            return (index, .failure(error))
                        }
                    }
                }
                while let (index, result) = await group.next() { infos[index] = try result.get() }
                return Result<[ObjectInfo], StorageError>.success(infos.compactMap { $0 })
            } catch {
                group.cancelAll()
                return .failure(error)
            }
        }
        var detailed = page
        let objects = try result.get()
        detailed.objects = objects
        detailed.keys = objects.map(\.key)
        return detailed
    }
}

/// A request for a part of a listing.
struct ListRequest: Sendable {
    var prefix: String
    var limit: Int
    var startAfter: String?
    var delimiter: String?
    private var token: String?
    private var seen: Set<String> = []

    init(prefix: String, limit: Int, startAfter: String? = nil) {
        self.prefix = prefix
        self.limit = limit
        self.startAfter = startAfter
    }

    /// Asks for the part that follows.
    ///
    /// - Throws: `internal` where a server goes round in circles.
    mutating func goOn(_ next: String, bucket: String) throws(StorageError) {
        guard seen.insert(next).inserted else {
            throw S3Failure(nonsense: "the same part of a listing again").error(bucket: bucket)
        }
        token = next
    }

    func query(_ root: String) -> [(String, String)] {
        var query = [
            ("list-type", "2"), ("prefix", root + prefix), ("max-keys", String(limit)), ("encoding-type", "url"),
        ]
        if let delimiter { query.append(("delimiter", delimiter)) }
        if let token {
            query.append(("continuation-token", token))
        } else if let startAfter {
            query.append(("start-after", root + startAfter))
        }
        return query
    }
}

extension ListQuery {
    /// What all keys wanted begin with; nil: there can be none.
    var narrowestPrefix: String? {
        let literal = pattern?.literalPrefix ?? ""
        if literal.utf8HasPrefix(prefix) { return literal }
        return prefix.utf8HasPrefix(literal) ? prefix : nil
    }
}

/// The first entries of a page, out of keys in any order, in memory of a few pages.
struct SmallestEntries {
    private let query: ListQuery
    /// By the key, or by the prefix into which it is rolled up.
    private var kept: [ObjectKey: ObjectInfo] = [:]
    private var rolled: Set<[UInt8]> = []
    private var ceiling: ObjectKey?

    init(_ query: ListQuery) {
        self.query = query
    }

    mutating func add(_ info: ObjectInfo) {
        let key = info.key
        guard query.admits(key), ceiling.map({ key < $0 }) ?? true else { return }
        if let start = query.startAfter, !start.utf8Precedes(key.rawValue) { return }
        if let common = query.commonPrefix(of: key) {
            if query.startAfter?.utf8HasPrefix(common) ?? false { return }
            guard rolled.insert(Array(common.utf8)).inserted else { return }
        }
        kept[key] = info
        if kept.count > 3 * query.limit + 1000 { shrink() }
    }

    /// Keeps what the page can hold, and one more, which tells that another page follows.
    private mutating func shrink() {
        let sorted = kept.keys.sorted()
        ceiling = sorted[query.limit + 1]
        for key in sorted.dropFirst(query.limit + 1) {
            kept[key] = nil
            if let common = query.commonPrefix(of: key) { rolled.remove(Array(common.utf8)) }
        }
    }

    var page: ListPage {
        var builder = ListPageBuilder(query)
        for info in kept.values.sorted(by: { $0.key < $1.key }) where !builder.add(info) { break }
        return builder.result
    }
}
