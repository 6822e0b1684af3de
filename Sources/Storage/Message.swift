public import FoundationEssentials

/// A message as a plugin sees it: what to make a key, or metadata, from.
public struct Message: Sendable {
    /// The subject it came on.
    public var subject: String
    /// Its headers in order; names are case-sensitive and may repeat.
    public var headers: [(name: String, value: String)]
    /// Its bytes.
    public var payload: [UInt8]
    /// When it was received, or stored in its stream.
    public var timestamp: Date
    /// What makes it the same message when it comes again, where it may; keys are made of that in place of chance.
    public var id: String?

    /// A message of these parts.
    public init(
        subject: String, headers: [(name: String, value: String)] = [], payload: [UInt8], timestamp: Date,
        id: String? = nil
    ) {
        self.subject = subject
        self.headers = headers
        self.payload = payload
        self.timestamp = timestamp
        self.id = id
    }

    /// 22 letters and digits that no other message has; the same each time for a message with an ``id``.
    package var identifier: String { id.map { NUID.derived(from: $0) } ?? NUID.next() }

    /// The first value of the header `name`.
    public func header(_ name: String) -> String? {
        headers.first { $0.name == name }?.value
    }
}
