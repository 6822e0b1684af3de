/// How to put.
public struct PutOptions: Sendable {
    /// What has to hold at the moment when the object becomes visible.
    public var precondition: Precondition
    /// Content type and encoding, user metadata.
    public var attributes: ObjectAttributes
    /// How long the object lives; nil: for ever. More than nothing and at most ``maximumTimeToLive``.
    public var timeToLive: Duration?
    /// What the bytes must hash to; the put fails with `digestMismatch` otherwise.
    public var expectedDigest: Digest?
    /// Puts of the same id within the store's duplicate window store once: the later ones return the first one's info.
    public var messageID: String?
    /// Whether nobody can have put with this message id before: it was made for this attempt.
    package var hasNewID = false

    /// Whether the store may know the put by its message id already, so that it stores nothing.
    package var mayRepeat: Bool { messageID != nil && !hasNewID }

    /// A hundred years: what is longer is a mistake, and dates stay in range.
    public static let maximumTimeToLive = Duration.seconds(3_155_760_000)

    /// A plain put unless told otherwise.
    public init(
        precondition: Precondition = .none, attributes: ObjectAttributes = ObjectAttributes(),
        timeToLive: Duration? = nil, expectedDigest: Digest? = nil, messageID: String? = nil
    ) {
        self.precondition = precondition
        self.attributes = attributes
        self.timeToLive = timeToLive
        self.expectedDigest = expectedDigest
        self.messageID = messageID
    }

    /// Throws `invalid` for a time to live out of range.
    public func validate() throws(StorageError) {
        guard let timeToLive, timeToLive <= .zero || timeToLive > Self.maximumTimeToLive else { return }
        throw StorageError(.invalid, "a time to live of \(timeToLive) is not more than 0 s and at most 100 years")
    }
}

/// How to get.
public struct GetOptions: Sendable {
    /// The part wanted; nil: all.
    public var range: ByteRange?
    /// Only if this is the current version.
    public var ifMatch: Version?
    /// Whether a whole object is verified against its digest. Hashing is what limits the reading of large objects.
    public var verify: Bool

    /// The whole of the current version, verified, unless told otherwise.
    public init(range: ByteRange? = nil, ifMatch: Version? = nil, verify: Bool = true) {
        self.range = range
        self.ifMatch = ifMatch
        self.verify = verify
    }
}

/// How to ask for an info.
public struct InfoOptions: Sendable {
    /// Only if this is the current version.
    public var ifMatch: Version?

    /// The current version unless told otherwise.
    public init(ifMatch: Version? = nil) {
        self.ifMatch = ifMatch
    }
}

/// How to delete.
public struct DeleteOptions: Sendable {
    /// What has to hold; `absent` makes no sense here and is `invalid`.
    public var precondition: Precondition

    /// A plain delete unless told otherwise.
    public init(precondition: Precondition = .none) {
        self.precondition = precondition
    }

    /// Throws `invalid` for `absent`.
    public func validate() throws(StorageError) {
        guard precondition == .absent else { return }
        throw StorageError(.invalid, "a delete can't ask that nothing is stored there")
    }
}

/// How to replace an object's attributes.
public struct SetMetadataOptions: Sendable {
    /// What has to hold at the moment of the change.
    public var precondition: Precondition

    /// A plain change unless told otherwise.
    public init(precondition: Precondition = .none) {
        self.precondition = precondition
    }
}
