import Encodings
import FoundationEssentials
import Storage

/// What a row of `objects` says of its object, and where the bytes are.
struct ObjectRow: Sendable {
    /// The columns of an info, in the order in which they are read and written.
    static let infoColumns = "key, version, size, digest, modified, expires, attributes"

    var id: Int64
    var info: ObjectInfo
    var body: Int64?

    /// Of a row of `id, body` and the info's columns.
    init(_ row: Statement.Row, of key: ObjectKey? = nil) throws {
        id = row.integer(0)
        body = row.optionalInteger(1)
        info = try ObjectInfo(row, from: 2, of: key)
    }
}

/// Times as they are kept: to the microsecond, so that what a put tells is what an info tells later.
enum Timestamp {
    static func kept(_ date: Date) -> Date { Self.date(microseconds(date)) }

    static func microseconds(_ date: Date) -> Int64 {
        Int64(exactly: (date.timeIntervalSince1970 * 1e6).rounded()) ?? 0
    }

    static func date(_ microseconds: Int64) -> Date { Date(timeIntervalSince1970: Double(microseconds) / 1e6) }
}

extension ObjectInfo {
    /// Of a row whose columns from `first` on are those of an info.
    ///
    /// - Parameter known: its key where that was asked for; read otherwise.
    init(_ row: Statement.Row, from first: Int32, of known: ObjectKey? = nil) throws {
        guard let key = known ?? ObjectKey(row.bytes(first)), let size = Int(exactly: row.integer(first + 2)),
            (0...Schema.largest).contains(size), let digest = Digest(bytes: row.bytes(first + 3))
        else { throw StorageError(.internal, "a row of the store is damaged") }
        let attributes = row.bytes(first + 6)
        self.init(
            key: key, size: size, version: Version(stored: row.integer(first + 1)),
            digest: digest, modified: Timestamp.date(row.integer(first + 4)),
            expires: row.optionalInteger(first + 5).map(Timestamp.date),
            attributes: attributes.isEmpty ? ObjectAttributes() : try AttributesText.decode(Array(attributes)))
    }

    /// The values of an info's columns.
    var columns: [Statement.Parameter] {
        [
            .text(key.rawValue), .integer(version.stored), .integer(Int64(size)), .bytes(digest?.bytes),
            .integer(Timestamp.microseconds(modified)), .integer(expires.map(Timestamp.microseconds)),
            .bytes(AttributesText.encode(attributes)),
        ]
    }
}

extension Version {
    /// A version that no state of an object had before: 60 bits as 15 digits, a string that takes no memory of its own.
    static func random() -> Version { Version(stored: .random(in: 0..<1 << 60)) }

    init(stored: Int64) {
        let digits = String(unsafeUninitializedCapacity: 15) { buffer in
            for place in 0..<15 {
                let digit = UInt8(truncatingIfNeeded: stored >> (4 * (14 - place)) & 15)
                buffer[place] = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
            }
            return 15
        }
        self.init(digits)
    }

    /// As a row keeps it; nil where it is no version of such a store.
    var stored: Int64? { Int64(description, radix: 16) }
}

/// Attributes as JSON, which other programs can query; nothing where there are none.
enum AttributesText {
    static func encode(_ attributes: ObjectAttributes) -> [UInt8]? {
        if attributes == ObjectAttributes() { return nil }
        var writer = JSONWriter()
        writer.object { writer in
            if let type = attributes.contentType { writer.field("content_type", type) }
            if let encoding = attributes.contentEncoding { writer.field("content_encoding", encoding) }
            writer.object("metadata") { writer in
                for (name, values) in attributes.metadata { writer.field(name, values) }
            }
        }
        return writer.bytes
    }

    static func decode(_ bytes: [UInt8]) throws(StorageError) -> ObjectAttributes {
        var attributes = ObjectAttributes()
        do throws(JSONScanner.Malformed) {
            try JSONScanner.object(bytes) { (name, scanner) throws(JSONScanner.Malformed) in
                switch name {
                case "content_type": attributes.contentType = try scanner.string()
                case "content_encoding": attributes.contentEncoding = try scanner.string()
                case "metadata": attributes.metadata = try metadata(&scanner)
                default: try scanner.skip()
                }
            }
        } catch {
            throw StorageError(.internal, "the attributes in a row of the store are damaged")
        }
        return attributes
    }

    private static func metadata(_ scanner: inout JSONScanner) throws(JSONScanner.Malformed) -> Metadata {
        var metadata: Metadata = [:]
        try scanner.object { (name, scanner) throws(JSONScanner.Malformed) in
            var values: [String] = []
            try scanner.array { (scanner) throws(JSONScanner.Malformed) in values.append(try scanner.string()) }
            metadata[name] = values
        }
        return metadata
    }
}
