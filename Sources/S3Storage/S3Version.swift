import FoundationEssentials
import Storage

/// A version: the ETag, which S3 compares, and what tells apart two objects of the same bytes: the token of the write,
/// or of another program's object the time of it.
struct S3Version: Sendable, Hashable {
    let etag: String
    let mark: String

    init(etag: String, token: String?, modified: Date) {
        self.etag = etag
        mark = token ?? String(Int64(modified.timeIntervalSince1970))
    }

    /// Nil where `version` is none of this store's.
    init?(_ version: Version) {
        guard let split = version.description.lastIndex(of: ";") else { return nil }
        etag = String(version.description[..<split])
        mark = String(version.description[version.description.index(after: split)...])
        guard etag.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") }) else { return nil }
    }

    var version: Version { Version("\(etag);\(mark)") }

    /// The header that asks for it, as far as S3 can tell.
    var condition: [(String, String)] { [("if-match", ETag.quoted(etag))] }
}
