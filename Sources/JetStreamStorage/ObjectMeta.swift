import Encodings
import FoundationEssentials
import Storage

/// What an object's meta message says: the JSON of ADR-20's ObjectInfo, kept compact, since the index holds it for
/// every object.
struct ObjectMeta: Sendable {
    /// What an object may have beside its bytes.
    struct Extras: Sendable, Hashable {
        var attributes = ObjectAttributes()
        var description: String?
        var link: Link?
        /// ADR-20's `metadata`, without what this component keeps there.
        var others: [String: String] = [:]
    }

    /// Where another name leads.
    struct Link: Sendable, Hashable {
        var bucket: String
        /// Nil: to the bucket as a whole.
        var name: String?
    }

    /// Most objects have no extras: then there is nothing to hold.
    private final class Box: Sendable {
        let extras: Extras

        init(_ extras: Extras) {
            self.extras = extras
        }
    }

    var nuid: String
    /// Never negative, whatever the message says.
    var size = 0
    var chunks = 0
    /// The size of every chunk but the last; 0 where the writer did not say.
    var chunkSize = 0
    var digest: Digest?
    var isDeleted = false
    var expires: Date?
    /// When its writer stored it, by the writer's clock; nil where it did not say.
    var modified: Date?
    /// The stream sequence of the first chunk, where the chunks follow one another without a gap and are as large as
    /// ``chunkSize`` says.
    var firstChunk: UInt64?
    private var box: Box?

    init(nuid: String) {
        self.nuid = nuid
    }

    var extras: Extras {
        get { box?.extras ?? Extras() }
        set { box = newValue == Extras() ? nil : Box(newValue) }
    }

    /// Whether a link stands in the object's place.
    var link: Link? { box?.extras.link }

    var attributes: ObjectAttributes {
        get { box?.extras.attributes ?? ObjectAttributes() }
        set { extras.attributes = newValue }
    }
}

extension ObjectMeta {
    /// JSON's exact numbers end there, and sums of a few of them are none that trap.
    private static let largestNumber = 1 << 53
    /// No server takes a larger message.
    private static let largestChunk = 64 << 20

    /// The size of every chunk but the last, where the message's numbers allow for that.
    var commonChunkSize: Int? {
        guard 1...Self.largestChunk ~= chunkSize, chunks == (size - 1) / chunkSize + 1 else { return nil }
        return chunkSize
    }

    /// The size of the last chunk, where the others are of ``commonChunkSize``.
    func lastChunkSize(_ commonChunkSize: Int) -> Int { size - (chunks - 1) * commonChunkSize }

    /// The meta message's JSON.
    func encoded(name: String, bucket: String, modified: Date) -> [UInt8] {
        let (extras, additions) = (extras, additions)
        var writer = JSONWriter()
        writer.object { writer in
            writer.field("name", name)
            if let description = extras.description { writer.field("description", description) }
            if !extras.attributes.metadata.isEmpty {
                writer.object("headers") { writer in
                    for (name, values) in extras.attributes.metadata { writer.field(name, values) }
                }
            }
            if !additions.isEmpty {
                writer.object("metadata") { writer in
                    for (name, value) in additions { writer.field(name, value) }
                }
            }
            writer.object("options") { writer in
                if let link = extras.link {
                    writer.object("link") { writer in
                        writer.field("bucket", link.bucket)
                        if let name = link.name { writer.field("name", name) }
                    }
                }
                if chunkSize > 0 { writer.field("max_chunk_size", chunkSize) }
            }
            writer.field("bucket", bucket)
            writer.field("nuid", nuid)
            writer.field("size", size)
            writer.field("mtime", RFC3339.format(modified))
            writer.field("chunks", chunks)
            writer.field("digest", digest?.description ?? "")
            if isDeleted { writer.field("deleted", true) }
        }
        return writer.bytes
    }

    private var additions: [String: String] {
        var additions = extras.others
        additions[BucketFormat.Addition.contentType] = attributes.contentType
        additions[BucketFormat.Addition.contentEncoding] = attributes.contentEncoding
        additions[BucketFormat.Addition.expires] = expires.map(RFC3339.format)
        // With the NUID: programs that copy objects copy this too, and it must not be taken for the copy's.
        additions[BucketFormat.Addition.firstChunk] = firstChunk.map { "\($0) \(nuid)" }
        return additions
    }
}

extension ObjectMeta {
    /// Reads a meta message.
    init(parsing payload: [UInt8]) throws(JSONScanner.Malformed) {
        self.init(nuid: "")
        var extras = Extras()
        var metadata: [String: String] = [:]
        try JSONScanner.object(payload) { name, scanner throws(JSONScanner.Malformed) in
            switch name {
            case "nuid": nuid = try scanner.string()
            case "size": size = max(0, try scanner.integer())
            case "chunks": chunks = max(0, try scanner.integer())
            case "digest":
                digest = try scanner.optional { s throws(JSONScanner.Malformed) in try s.string() }.flatMap(Digest.init)
            case "mtime": modified = Self.modified(try scanner.string())
            case "deleted": isDeleted = try scanner.boolean()
            case "description":
                extras.description = try scanner.optional { s throws(JSONScanner.Malformed) in try s.string() }
            case "headers": extras.attributes.metadata = try Self.headers(&scanner)
            case "metadata": metadata = try Self.texts(&scanner)
            case "options": try readOptions(&scanner, &extras)
            default: try scanner.skip()
            }
        }
        guard max(size, chunks) <= Self.largestNumber else { throw JSONScanner.Malformed() }
        read(metadata: metadata, &extras)
        self.extras = extras
    }

    /// Some clients write the year 1.
    private static func modified(_ text: String) -> Date? {
        RFC3339.parse(text).flatMap { $0.timeIntervalSince1970 > 0 ? $0 : nil }
    }

    private mutating func readOptions(
        _ scanner: inout JSONScanner, _ extras: inout Extras
    ) throws(JSONScanner.Malformed) {
        _ = try scanner.optional { scanner throws(JSONScanner.Malformed) in
            try scanner.object { name, scanner throws(JSONScanner.Malformed) in
                switch name {
                case "max_chunk_size": chunkSize = max(0, try scanner.integer())
                case "link":
                    let link = try Self.texts(&scanner)
                    if let bucket = link["bucket"] { extras.link = Link(bucket: bucket, name: link["name"]) }
                default: try scanner.skip()
                }
            }
        }
    }

    private mutating func read(metadata: [String: String], _ extras: inout Extras) {
        for (name, value) in metadata {
            switch name {
            case BucketFormat.Addition.contentType: extras.attributes.contentType = value
            case BucketFormat.Addition.contentEncoding: extras.attributes.contentEncoding = value
            case BucketFormat.Addition.expires: expires = RFC3339.parse(value)
            case BucketFormat.Addition.firstChunk:
                let parts = value.split(separator: " ")
                if parts.count == 2, parts[1] == nuid { firstChunk = UInt64(parts[0]) }
            default: extras.others[name] = value
            }
        }
    }

    private static func headers(_ scanner: inout JSONScanner) throws(JSONScanner.Malformed) -> Metadata {
        var headers: Metadata = [:]
        _ = try scanner.optional { scanner throws(JSONScanner.Malformed) in
            try scanner.object { name, scanner throws(JSONScanner.Malformed) in
                var values: [String] = []
                _ = try scanner.optional { scanner throws(JSONScanner.Malformed) in
                    try scanner.array { scanner throws(JSONScanner.Malformed) in values.append(try scanner.string()) }
                }
                headers[name] = values
            }
        }
        return headers
    }

    private static func texts(_ scanner: inout JSONScanner) throws(JSONScanner.Malformed) -> [String: String] {
        var texts: [String: String] = [:]
        _ = try scanner.optional { scanner throws(JSONScanner.Malformed) in
            try scanner.object { name, scanner throws(JSONScanner.Malformed) in texts[name] = try scanner.string() }
        }
        return texts
    }
}
