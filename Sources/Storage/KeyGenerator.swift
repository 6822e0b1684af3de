import Encodings
import FoundationEssentials

/// Makes a key for a message that comes without one. Safe to call from any task.
public protocol KeyGenerator: Sendable {
    /// The key for `message`; nil where the message holds nothing to make one from, so that another generator may try.
    func key(for message: Message) -> ObjectKey?

    /// Whether keys are made of payloads: then an upload, whose content comes later, has to name its key.
    var needsPayload: Bool { get }
}

extension KeyGenerator {
    public var needsPayload: Bool { false }
}

/// `prefix/yyyy/mm/dd/hh/identifier_seconds`, in UTC: keys of one hour lie together, so a listing by prefix is a
/// query by time. The identifier is random, so that no two messages meet in one key, or made of the message's id.
public struct TimeKeyGenerator: KeyGenerator {
    private let prefix: String

    /// Keys below `prefix`, which must be a valid key.
    public init(prefix: String = "message") throws(StorageError) {
        self.prefix = try ObjectKey(validating: prefix).rawValue
    }

    public func key(for message: Message) -> ObjectKey? {
        ObjectKey(
            "\(prefix)/\(TimeBucket.path(message.timestamp))/\(message.identifier)_\(TimeBucket.seconds(message.timestamp))"
        )
    }
}

/// `prefix/yyyy/mm/dd/hh/entity_seconds_nuid`, the entity taken from a header or from a field of the JSON payload.
public struct EntityKeyGenerator: KeyGenerator {
    private let prefix: String
    private let header: String
    private let field: String

    /// Looks for the entity in the header `header`, then in the JSON field at the dotted path `field`.
    public init(
        prefix: String = "entity", header: String = "Storage-Entity", field: String = "entity_id"
    ) throws(StorageError) {
        self.prefix = try ObjectKey(validating: prefix).rawValue
        self.header = header
        self.field = field
    }

    public func key(for message: Message) -> ObjectKey? {
        let found = message.header(header) ?? JSONValue.parse(message.payload)?.value(at: field)?.text
        guard let entity = found, !entity.isEmpty else { return nil }
        let time = message.timestamp
        let suffix = "\(TimeBucket.path(time))/\(TimeBucket.seconds(time))_\(message.identifier)"
        return ObjectKey("\(prefix)/\(entity)/\(suffix)")
    }
}

/// `prefix/nuid`: random, or made of the message's id, and nothing else.
public struct NUIDKeyGenerator: KeyGenerator {
    private let prefix: String?

    /// Keys below `prefix`, or at the top.
    public init(prefix: String? = nil) throws(StorageError) {
        self.prefix = prefix
        if let prefix { _ = try ObjectKey(validating: prefix) }
    }

    public func key(for message: Message) -> ObjectKey? {
        ObjectKey((prefix.map { $0 + "/" } ?? "") + message.identifier)
    }
}

/// `prefix/<sha-256 in hexadecimal>`: the same bytes have the same key.
public struct DigestKeyGenerator: KeyGenerator {
    private let prefix: String?

    /// Keys below `prefix`, or at the top.
    public init(prefix: String? = nil) throws(StorageError) {
        self.prefix = prefix
        if let prefix { _ = try ObjectKey(validating: prefix) }
    }

    public var needsPayload: Bool { true }

    public func key(for message: Message) -> ObjectKey? {
        ObjectKey((prefix.map { $0 + "/" } ?? "") + Digest(of: message.payload).hexadecimal)
    }
}

/// Asks several generators in turn; the first key counts.
public struct CompositeKeyGenerator: KeyGenerator {
    private let generators: [any KeyGenerator]

    /// Asks `generators` in this order.
    public init(_ generators: [any KeyGenerator]) {
        self.generators = generators
    }

    public func key(for message: Message) -> ObjectKey? {
        generators.lazy.compactMap { $0.key(for: message) }.first
    }

    public var needsPayload: Bool { generators.contains { $0.needsPayload } }
}

/// A time as path segments down to the hour.
enum TimeBucket {
    static func path(_ time: Date) -> String {
        // 2024-10-08T10:30:00Z
        let text = RFC3339.format(Date(timeIntervalSince1970: time.timeIntervalSince1970.rounded(.down)))
        let parts = text.split(whereSeparator: { "-T:".contains($0) })
        return parts.prefix(4).joined(separator: "/")
    }

    static func seconds(_ time: Date) -> Int64 {
        Int64(exactly: time.timeIntervalSince1970.rounded(.down)) ?? 0
    }
}
