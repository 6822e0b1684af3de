import Encodings
import NATS
import StorageService

/// Whether the component can do its work: NATS is connected, every instance listens, and its store answers.
struct Readiness: Sendable {
    struct Part: Sendable, Hashable {
        let name: String
        /// What is missing; nil: nothing.
        let problem: String?

        var isReady: Bool { problem == nil }
    }

    /// The connections to NATS.
    var connections: [Part]
    var instances: [Part]

    var isReady: Bool { (connections + instances).allSatisfy(\.isReady) }

    /// `{"ready", "nats": {name: {"ready", "problem"?}}, "instances": {…}}`
    var json: [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            writer.field("ready", isReady)
            for (name, parts) in [("nats", connections), ("instances", instances)] {
                writer.object(name) { writer in
                    for part in parts {
                        writer.object(part.name) { writer in
                            writer.field("ready", part.isReady)
                            if let problem = part.problem { writer.field("problem", problem) }
                        }
                    }
                }
            }
        }
        return writer.bytes
    }
}

extension Operations {
    /// Asks everything at once; what does not answer within `deadline` is not ready.
    func readiness(within deadline: Duration = .seconds(2)) async -> Readiness {
        let instances = instances
        if instances.isEmpty {
            return Readiness(
                connections: [], instances: names.map { .init(name: $0, problem: "the instance is starting") })
        }
        let connections = connections.map { name, connection in
            let state = connection.state
            return Readiness.Part(name: name, problem: state == .connected ? nil : "the connection is \(state)")
        }
        let parts = await withTaskGroup(of: (Int, Readiness.Part).self) { group in
            for (index, instance) in instances.enumerated() {
                group.addTask { (index, await instance.readiness(within: deadline)) }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        return Readiness(connections: connections, instances: parts.sorted { $0.0 < $1.0 }.map(\.1))
    }
}

extension Operations.Watched {
    fileprivate func readiness(within deadline: Duration) async -> Readiness.Part {
        let name = instance.monitor.instance
        guard instance.monitor.phase == .serving else {
            return .init(name: name, problem: "the instance is \(instance.monitor.phase.rawValue)")
        }
        switch await probe.outcome(within: deadline) {
        case .answers: return .init(name: name, problem: nil)
        case .fails(let problem): return .init(name: name, problem: "the store does not answer: \(problem)")
        }
    }
}
