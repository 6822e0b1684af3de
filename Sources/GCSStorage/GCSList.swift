import Encodings
import FoundationEssentials
import HTTP
import HTTPStorage
import Storage

extension GCSBucket {
    /// One page: the service lists in the order of UTF-8 bytes, and tells each object whole.
    func list(_ query: ListQuery) async throws(StorageError) -> ListPage {
        let literal = query.pattern?.literalPrefix ?? ""
        guard literal.utf8HasPrefix(query.prefix) || query.prefix.utf8HasPrefix(literal) else {
            return ListPage(objects: query.details ? [] : nil)
        }
        let prefix = literal.utf8HasPrefix(query.prefix) ? literal : query.prefix
        let delimiter = query.pattern == nil ? query.delimiter : nil
        if let page = try await list(query, prefix, rolledUpBy: delimiter) { return page }
        guard let page = try await list(query, prefix, rolledUpBy: nil) else {
            throw GCSFailure(nonsense: "a listing with prefixes nobody asked for").error(bucket: configuration.bucket)
        }
        return page
    }

    /// Nil where the service rolls up something else: some do by the first character of a delimiter.
    private func list(
        _ query: ListQuery, _ prefix: String, rolledUpBy delimiter: String?
    ) async throws(StorageError) -> ListPage? {
        let root = configuration.prefix
        var items = [("prefix", root + prefix), ("maxResults", String(min(1000, query.limit + 2)))]
        if let start = query.startAfter { items.append(("startOffset", root + start)) }
        if let delimiter { items.append(("delimiter", delimiter)) }
        var builder = ListPageBuilder(query)
        var token: String?
        var seen: Set<String> = []
        repeat {
            var request = GCSRequest(.get, client.path(nil), items + (token.map { [("pageToken", $0)] } ?? []))
            request.timeout = GCSClient.shortTimeout
            let page = try await mapped { () async throws(GCSFailure) in try await client.json(request) }
            guard let entries = entries(page, root, query) else { return nil }
            for entry in entries where !builder.add(entry) { return builder.result }
            token = page.plain("nextPageToken")
            if let token, !seen.insert(token).inserted {
                throw GCSFailure(nonsense: "the server gives the same page again").error(bucket: configuration.bucket)
            }
        } while token != nil
        return builder.result
    }

    /// Objects, and what stands for rolled-up prefixes, in order; nil where a prefix is none of the query's.
    private func entries(_ page: JSONValue, _ root: String, _ query: ListQuery) -> [ObjectInfo]? {
        func key(_ name: String?) -> ObjectKey? {
            guard let name, name.utf8HasPrefix(root) else { return nil }
            return ObjectKey(String(decoding: name.utf8.dropFirst(root.utf8.count), as: UTF8.self))
        }
        var infos = page.elements("items").compactMap { item in
            key(item.plain("name")).flatMap { GCSObject.info($0, item) }
        }
        for prefix in page.elements("prefixes") {
            guard let key = key(prefix.plainText.map { $0 + "0" }) else { continue }
            guard query.commonPrefix(of: key).map({ $0 + "0" }) == key.rawValue else { return nil }
            infos.append(
                ObjectInfo(
                    key: key, size: 0, version: Version(""), digest: nil, modified: Date(timeIntervalSince1970: 0)))
        }
        return infos.sorted { $0.key < $1.key }
    }
}
