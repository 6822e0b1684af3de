import Encodings
import FoundationEssentials
import GRDB
import Storage

/// What a row of `objects` says of its object, and where the bytes are.
struct ObjectRow: Sendable {
    /// The columns of an info, in the order in which they are read and written.
    static let infoColumns = "key, version, size, digest, modified, expires, attributes"

    var id: Int64
    var info: ObjectInfo
    var body: Int64?

    /// Of a row of `id, body` and the info's columns.
    init(_ row: Row) throws {
        id = row[0]
        body = row[1]
        info = try ObjectInfo(row, from: 2)
    }
}

extension Database {
    /// What `read` makes of the first row of a query, where it lies; nil where there is none.
    func first<Value>(
        _ sql: String, _ arguments: StatementArguments, _ read: (Row) throws -> Value
    ) throws -> Value? {
        let rows = try Row.fetchCursor(try cachedStatement(sql: sql), arguments: arguments)
        // The row is gone with its cursor.
        return try withExtendedLifetime(rows) { try rows.next().map(read) }
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
    init(_ row: Row, from first: Int) throws {
        let key = try row.withUnsafeData(atIndex: first) { $0.flatMap { try? ObjectKey(validating: $0) } }
        let digest = try row.withUnsafeData(atIndex: first + 3) { $0.flatMap { Digest(bytes: $0) } }
        guard let key, let digest else { throw StorageError(.internal, "a row of the store is damaged") }
        let (version, size, modified): (Int64, Int, Int64) = (row[first + 1], row[first + 2], row[first + 4])
        let expires: Int64? = row[first + 5]
        let attributes = try row.withUnsafeData(atIndex: first + 6) { try $0.map { try AttributesText.decode($0) } }
        self.init(
            key: key, size: size, version: Version(stored: version), digest: digest,
            modified: Timestamp.date(modified), expires: expires.map(Timestamp.date),
            attributes: attributes ?? ObjectAttributes())
    }

    /// The values of an info's columns.
    var columns: [(any DatabaseValueConvertible)?] {
        [
            Data(key.rawValue.utf8), version.stored, size, digest.map { Data($0.bytes) },
            Timestamp.microseconds(modified), expires.map(Timestamp.microseconds), AttributesText.encode(attributes),
        ]
    }
}

extension Version {
    /// A version that no state of an object had before.
    static func random() -> Version { Version(stored: .random(in: .min ... .max)) }

    init(stored: Int64) {
        self.init(String(UInt64(bitPattern: stored), radix: 16))
    }

    /// As a row keeps it; nil where it is no version of such a store.
    var stored: Int64? { UInt64(description, radix: 16).map { Int64(bitPattern: $0) } }
}

/// Attributes as JSON, which other programs can query; nothing where there are none.
enum AttributesText {
    static func encode(_ attributes: ObjectAttributes) -> Data? {
        if attributes == ObjectAttributes() { return nil }
        var writer = JSONWriter()
        writer.object { writer in
            if let type = attributes.contentType { writer.field("content_type", type) }
            if let encoding = attributes.contentEncoding { writer.field("content_encoding", encoding) }
            writer.object("metadata") { writer in
                for (name, values) in attributes.metadata { writer.field(name, values) }
            }
        }
        return Data(writer.bytes)
    }

    static func decode(_ data: Data) throws(StorageError) -> ObjectAttributes {
        var attributes = ObjectAttributes()
        do throws(JSONScanner.Malformed) {
            try JSONScanner.object(Array(data)) { (name, scanner) throws(JSONScanner.Malformed) in
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
