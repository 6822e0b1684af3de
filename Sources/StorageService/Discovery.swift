import Encodings
import FoundationEssentials
import NATS
import Storage
import StorageWire

/// The component.
public enum StorageComponent {
    /// Its version.
    public static let version = "0.1.0"
}

/// Answers the NATS services protocol (ADR-32): who is there, with which endpoints, and how busy.
struct Discovery: Sendable {
    private struct Info: Encodable {
        struct Endpoint: Encodable {
            let name: String
            let subject: String
            let queue_group: String
        }
        let type = "io.nats.micro.v1.info_response"
        let name: String
        let id: String
        let version = StorageComponent.version
        let description = "Object storage over NATS subjects"
        let metadata: [String: String]
        let endpoints: [Endpoint]
    }

    private struct Ping: Encodable {
        let type = "io.nats.micro.v1.ping_response"
        let name: String
        let id: String
        let version = StorageComponent.version
        let metadata: [String: String]
    }

    private struct Stats: Encodable {
        struct Endpoint: Encodable {
            let name: String
            let subject: String
            let queue_group: String
            let num_requests: Int
            let num_errors: Int
            let last_error: String
            let processing_time: Int64
            let average_processing_time: Int64
        }
        let type = "io.nats.micro.v1.stats_response"
        let name: String
        let id: String
        let version = StorageComponent.version
        let metadata: [String: String]
        let started: String
        let endpoints: [Endpoint]
    }

    let configuration: InstanceConfiguration
    let monitor: InstanceMonitor
    let capabilities: Capabilities
    let id = NUID.next()
    let started = RFC3339.format(.now)

    var name: String { "storage-\(configuration.name)" }

    /// What a client may want to know before it asks for it.
    private var metadata: [String: String] {
        let limits = monitor.limits
        return [
            WireServiceInfo.capabilitiesKey: CapabilityNames.encode(capabilities),
            "max_object_size": String(limits.maxObjectSize), "max_keys": String(limits.maxKeys),
        ]
    }

    /// Every subject that asks this instance something.
    var subjects: [String] {
        ["PING", "INFO", "STATS"].flatMap { verb in
            ["$SRV.\(verb)", "$SRV.\(verb).\(name)", "$SRV.\(verb).\(name).\(id)"]
        }
    }

    func answer(_ subject: String) -> [UInt8] {
        switch subject.split(separator: ".").dropFirst().first {
        case "INFO": JSON.encode(info)
        case "STATS": JSON.encode(stats)
        default: JSON.encode(Ping(name: name, id: id, metadata: metadata))
        }
    }

    private var info: Info {
        Info(
            name: name, id: id, metadata: metadata,
            endpoints: Port.requests.map {
                .init(name: $0.rawValue, subject: configuration.subject($0), queue_group: configuration.queueGroup)
            })
    }

    private var stats: Stats {
        Stats(
            name: name, id: id, metadata: metadata, started: started,
            endpoints: Port.requests.map { port in
                let counters = monitor.statistics[port]?.current ?? .init()
                let total = Int64(clamping: Int((counters.processingTime.seconds * 1e9).rounded()))
                return .init(
                    name: port.rawValue, subject: configuration.subject(port), queue_group: configuration.queueGroup,
                    num_requests: counters.requests, num_errors: counters.errors,
                    last_error: counters.lastError ?? "", processing_time: total,
                    average_processing_time: counters.requests == 0 ? 0 : total / Int64(counters.requests))
            })
    }
}
