/// Where events or references go.
public struct OutputConfiguration: Sendable {
    /// How they are published.
    public enum Delivery: Sendable, Hashable {
        /// At most once, to whoever listens.
        case core
        /// Until a stream has stored them, once by id.
        case jetStream
    }

    /// What a message is.
    public enum Format: Sendable, Hashable {
        /// The event or reference itself.
        case plain
        /// CloudEvents 1.0, structured, with the event or reference as its data.
        case cloudEvents
    }

    /// What happened.
    public enum EventType: String, Sendable, CaseIterable {
        case stored, retrieved, deleted, expired, failed
    }

    /// The subject; of events it may hold `{type}` and `{instance}`.
    public var subject: String
    /// How they are published.
    public var delivery = Delivery.core
    /// What a message is.
    public var format = Format.plain
    /// Which events go there.
    public var types = Set(EventType.allCases)
    /// Which part of the `retrieved` events, from 0 to 1.
    public var sample = 1.0

    /// All of them, as they are, at most once.
    public init(subject: String) {
        self.subject = subject
    }
}
