import Encodings
public import FoundationEssentials
import HTTP
public import Storage

/// A state of an object that a versioned bucket keeps.
public struct S3ObjectVersion: Sendable, Hashable {
    /// The object's key.
    public let key: ObjectKey
    /// S3's own id of the version; no `Version`, which names the current one only.
    public let id: String
    /// Whether it is the current one.
    public let isLatest: Bool
    /// Whether it is the mark of a deletion, which can't be read.
    public let isDeletion: Bool
    /// In bytes; of the mark of a deletion 0.
    public let size: Int
    /// When it was stored.
    public let modified: Date
}

extension S3Store {
    /// The versions of keys that begin with `prefix`, page after page, as the server orders them. Of a bucket without
    /// versions, each object once, its id `null`.
    ///
    /// - Parameter page: called with up to a thousand at a time; returns whether to go on.
    public func versions(
        prefix: String = "", page: ([S3ObjectVersion]) async throws(StorageError) -> Bool
    ) async throws(StorageError) {
        let root = bucket.configuration.prefix
        var markers: [(String, String)] = []
        repeat {
            let query = [("versions", ""), ("prefix", root + prefix), ("encoding-type", "url")] + markers
            let (document, _) = try await bucket.mapped { () async throws(S3Failure) in
                try await bucket.client.document(S3Request(.get, query: query))
            }
            let isEncoded = document.text("EncodingType") == "url"
            let found = document.children.compactMap { Self.version($0, root, isEncoded) }
            guard try await page(found) else { return }
            markers = Self.markers(document, id: ("version-id-marker", "NextVersionIdMarker"), after: markers)
        } while !markers.isEmpty
    }

    /// One version of an object of a versioned bucket.
    ///
    /// - Parameter id: as ``versions(prefix:page:)`` tells it.
    /// - Throws: `notFound`; for the mark of a deletion `unsupported`.
    public func get(_ key: ObjectKey, versionID id: String) async throws(StorageError) -> StoredObject {
        try await during(.get, key) { () async throws(StorageError) in
            try await bucket.get(key, GetOptions(), versionID: id)
        }
    }

    private static func version(_ element: XMLElement, _ root: String, _ isEncoded: Bool) -> S3ObjectVersion? {
        guard element.name == "Version" || element.name == "DeleteMarker", let text = element.text("Key"),
            let full = isEncoded ? PercentEncoding.decode(text, plusIsSpace: true) : text, full.utf8HasPrefix(root),
            let key = ObjectKey(String(decoding: full.utf8.dropFirst(root.utf8.count), as: UTF8.self)),
            let id = element.text("VersionId")
        else { return nil }
        return S3ObjectVersion(
            key: key, id: id, isLatest: element.text("IsLatest") == "true", isDeletion: element.name == "DeleteMarker",
            size: element.size,
            modified: ServerTime.iso(element.text("LastModified")) ?? Date(timeIntervalSince1970: 0))
    }

    /// Where the next page starts; empty at the end, and where a server would give the same page again.
    static func markers(
        _ document: XMLElement, id: (parameter: String, element: String), after last: [(String, String)]
    ) -> [(String, String)] {
        guard document.text("IsTruncated") == "true", let text = document.text("NextKeyMarker") else { return [] }
        let isEncoded = document.text("EncodingType") == "url"
        let key = isEncoded ? PercentEncoding.decode(text, plusIsSpace: true) ?? text : text
        let next = [("key-marker", key), (id.parameter, document.text(id.element) ?? "")]
        return next.map(\.1) == last.map(\.1) ? [] : next
    }
}
