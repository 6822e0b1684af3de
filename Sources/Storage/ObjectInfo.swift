public import FoundationEssentials

/// An opaque token of one state of one object; serves compare-and-swap.
///
/// Two versions are only ever compared for equality. JetStream: the meta message's sequence; memory: a counter.
public struct Version: Sendable, Hashable, LosslessStringConvertible {
    /// The token, as it goes over the wire.
    public let description: String

    /// The version that `description` names.
    public init(_ description: String) {
        self.description = description
    }
}

/// User metadata, HTTP-style: names kept as written, each with one or more values.
public typealias Metadata = [String: [String]]

/// What a caller says about an object besides its bytes.
public struct ObjectAttributes: Sendable, Hashable {
    /// The media type, kept as given.
    public var contentType: String?
    /// The content encoding, kept as given; no store ever decodes by it.
    public var contentEncoding: String?
    /// User metadata.
    public var metadata: Metadata

    /// Attributes, empty unless given.
    public init(contentType: String? = nil, contentEncoding: String? = nil, metadata: Metadata = [:]) {
        self.contentType = contentType
        self.contentEncoding = contentEncoding
        self.metadata = metadata
    }
}

/// What a store knows of an object without reading it.
public struct ObjectInfo: Sendable, Hashable {
    /// The object's key.
    public var key: ObjectKey
    /// Its size in bytes.
    public var size: Int
    /// The state this info speaks of.
    public var version: Version
    /// The SHA-256 of its bytes; nil where another program stored it without one.
    public var digest: Digest?
    /// When this version was stored, by the store's clock.
    public var modified: Date
    /// From when on it is no longer found; nil: never.
    public var expires: Date?
    /// What its writer said of it.
    public var attributes: ObjectAttributes

    /// An info of these parts.
    public init(
        key: ObjectKey, size: Int, version: Version, digest: Digest?, modified: Date, expires: Date? = nil,
        attributes: ObjectAttributes = ObjectAttributes()
    ) {
        self.key = key
        self.size = size
        self.version = version
        self.digest = digest
        self.modified = modified
        self.expires = expires
        self.attributes = attributes
    }

    /// What is left of its time at `now`, for a put of the same object; nil where it has no end.
    ///
    /// Never less than a millisecond, nor more than a put takes: the clock that set the end may be another one.
    public func remainingTimeToLive(at now: Date) -> Duration? {
        let longest = PutOptions.maximumTimeToLive
        return expires.map { .seconds(max(0.001, min($0.timeIntervalSince(now), longest.seconds))) }
    }

    /// Whether the object is past its expiry at `now`.
    public func isExpired(at now: Date) -> Bool {
        expires.map { $0 <= now } ?? false
    }
}

extension Int {
    /// Adds to a sum of sizes, which stays at the largest number there is: sizes are what somebody wrote.
    package mutating func addSize(_ size: Int) {
        let (sum, isOver) = addingReportingOverflow(size)
        self = isOver ? .max : sum
    }
}
