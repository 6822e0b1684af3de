public import FoundationEssentials

/// Who signs. Prints the access key's id only.
public struct S3Credentials: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible {
    /// The access key's id.
    public var accessKeyID: String
    /// The secret; never printed.
    public var secretAccessKey: String
    /// The token that goes with temporary credentials; never printed.
    public var sessionToken: String?
    /// From when on they are refused; nil: never.
    public var expiration: Date?

    /// Credentials of these parts.
    public init(
        accessKeyID: String, secretAccessKey: String, sessionToken: String? = nil, expiration: Date? = nil
    ) {
        self.accessKeyID = accessKeyID
        self.secretAccessKey = secretAccessKey
        self.sessionToken = sessionToken
        self.expiration = expiration
    }

    /// The access key's id.
    public var description: String { "credentials \(accessKeyID)" }

    /// The access key's id.
    public var debugDescription: String { description }
}

extension S3Credentials: CustomReflectable {
    /// What a dump may show.
    public var customMirror: Mirror { Mirror(self, children: ["accessKeyID": accessKeyID]) }
}
