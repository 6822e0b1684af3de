/// What is known of a metric before it has values.
public struct MetricDescription: Sendable, Hashable {
    /// How its values behave.
    public enum Kind: String, Sendable, Hashable {
        /// Only grows.
        case counter
        /// Goes up and down.
        case gauge
        /// How often values lay below bounds.
        case histogram
    }

    /// The metric's name: `[a-zA-Z_:][a-zA-Z0-9_:]*`.
    public let name: String
    /// How its values behave.
    public let kind: Kind
    /// One sentence for people.
    public let help: String

    /// The metric `name`.
    public init(_ name: String, _ kind: Kind, _ help: String) {
        self.name = name
        self.kind = kind
        self.help = help
    }
}
