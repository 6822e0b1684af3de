/// What a store can do beyond the plain operations; what is missing throws `unsupported`, it is never ignored.
public struct Capabilities: OptionSet, Sendable, Hashable {
    public let rawValue: Int

    /// The set that `rawValue` encodes.
    public init(rawValue: Int) {
        self.rawValue = rawValue
    }

    /// `Precondition.absent` on put.
    public static let createOnly = Capabilities(rawValue: 1 << 0)
    /// `Precondition.matches` on put and delete.
    public static let compareAndSwap = Capabilities(rawValue: 1 << 1)
    /// `timeToLive` on put.
    public static let timeToLive = Capabilities(rawValue: 1 << 2)
    /// `setMetadata`.
    public static let metadataUpdate = Capabilities(rawValue: 1 << 3)
    /// `messageID` on put.
    public static let messageID = Capabilities(rawValue: 1 << 4)
}
