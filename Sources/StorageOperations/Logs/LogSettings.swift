public import Logging

/// What is logged, and how.
public struct LogSettings: Sendable, Hashable {
    /// How a record is written: one line either way.
    public enum Format: String, Sendable, Hashable {
        /// For people: `time level part: message name=value …`.
        case text
        /// For machines: a JSON object.
        case json
    }

    /// The parts of the program, as their loggers are labelled.
    public enum Part: String, Sendable, Hashable, CaseIterable {
        /// Start, stop and configuration.
        case program
        /// The connections to NATS.
        case nats
        /// The instances' stores.
        case store
        /// The instances: ports, inputs, events.
        case instance
        /// The HTTP port.
        case http
    }

    /// The least important level that is logged.
    public var level = Logger.Level.info
    /// The same for parts of their own.
    public var levels: [Part: Logger.Level] = [:]
    /// How records are written.
    public var format = Format.text

    /// Text, from `info` on.
    public init() {}

    func level(of label: String) -> Logger.Level { Part(rawValue: label).flatMap { levels[$0] } ?? level }
}
