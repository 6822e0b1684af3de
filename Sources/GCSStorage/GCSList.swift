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
        let root = configuration.prefix
        let prefix = literal.utf8HasPrefix(query.prefix) ? literal : query.prefix
        var items = [("prefix", root + prefix), ("maxResults", String(min(1000, query.limit + 2)))]
        if let start = query.startAfter { items.append(("startOffset", root + start)) }
        if query.pattern == nil, let delimiter = query.delimiter { items.append(("delimiter", delimiter)) }
        var builder = ListPageBuilder(query)
        var token: String?
        var seen: Set<String> = []
        repeat {
            var request = GCSRequest(.get, client.path(nil), items + (token.map { [("pageToken", $0)] } ?? []))
            request.timeout = GCSClient.shortTimeout
            let page = try await mapped { () async throws(GCSFailure) in try await client.json(request) }
            for entry in entries(page, root) where !builder.add(entry) { return builder.result }
            token = page.plain("nextPageToken")
            if let token, !seen.insert(token).inserted {
                throw GCSFailure(nonsense: "the server gives the same page again").error(bucket: configuration.bucket)
            }
        } while token != nil
        return builder.result
    }

    /// Objects, and what stands for rolled-up prefixes, in order.
    private func entries(_ page: JSONValue, _ root: String) -> [ObjectInfo] {
        func key(_ name: String?) -> ObjectKey? {
            guard let name, name.utf8HasPrefix(root) else { return nil }
            return ObjectKey(String(decoding: name.utf8.dropFirst(root.utf8.count), as: UTF8.self))
        }
        var infos = page.elements("items").compactMap { item in
            key(item.plain("name")).flatMap { GCSObject.info($0, item) }
        }
        infos += page.elements("prefixes").compactMap { prefix in
            key(prefix.plainText.map { $0 + "0" }).map {
                ObjectInfo(
                    key: $0, size: 0, version: Version(""), digest: nil, modified: Date(timeIntervalSince1970: 0))
            }
        }
        return infos.sorted { $0.key < $1.key }
    }
}
