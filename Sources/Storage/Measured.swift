/// A figure that a store tells of itself.
public struct StoreMeasurement: Sendable, Hashable {
    /// How a figure behaves.
    public enum Kind: Sendable, Hashable {
        /// Only grows while the store lives.
        case counter
        /// Goes up and down.
        case gauge
    }

    /// What it is called, in snake case, with its unit: `cache_hits_total`, `tier_bytes`.
    public var name: String
    /// How it behaves.
    public var kind: Kind
    /// What tells figures of one name apart, of few values each: `["tier": "hot"]`.
    public var labels: [String: String]
    /// The figure.
    public var value: Double

    /// A figure that only grows.
    public static func counter(_ name: String, _ value: Double, _ labels: [String: String] = [:]) -> Self {
        Self(name: name, kind: .counter, labels: labels, value: value)
    }

    /// A figure that goes up and down.
    public static func gauge(_ name: String, _ value: Double, _ labels: [String: String] = [:]) -> Self {
        Self(name: name, kind: .gauge, labels: labels, value: value)
    }
}

/// A store that tells figures of itself: from memory, at once.
public protocol MeasuredStore: Store {
    /// The figures as they are now.
    var measurements: [StoreMeasurement] { get }
}

extension Store {
    /// The figures of the store and of all that lies beneath its layers; several of one name and labels where several
    /// stores tell them.
    public var allMeasurements: [StoreMeasurement] {
        let own = (self as? any MeasuredStore)?.measurements ?? []
        let beneath = (self as? any StoreLayer)?.beneath ?? []
        return own + beneath.flatMap(\.allMeasurements)
    }
}
