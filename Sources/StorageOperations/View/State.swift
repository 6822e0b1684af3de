import Encodings
import FoundationEssentials
import NATS
import Storage
import StorageService

extension Operations {
    /// How things stand, for the page.
    func stateJSON() async -> [UInt8] {
        var connectionFigures: [(Connection, ConnectionStatistics)] = []
        for connection in connections {
            connectionFigures.append((connection, await connection.connection.statistics()))
        }
        let process = ProcessFigures()
        var writer = JSONWriter(reserving: 4096)
        writer.object { writer in
            writer.field("version", StorageComponent.version)
            writer.field("now", RFC3339.format(.now))
            writer.field("browse", browses)
            if let process {
                writer.field("started", RFC3339.format(Date(timeIntervalSince1970: process.startTime)))
                writer.field("memory", process.residentBytes)
                writer.field("cpu_ms", Int(process.cpuSeconds * 1000))
            }
            writer.array("nats") { writer in
                for (connection, figures) in connectionFigures {
                    writer.object { $0.write(connection, figures) }
                }
            }
            writer.array("instances") { writer in
                for watched in instances { writer.object { $0.write(watched) } }
            }
        }
        return writer.bytes
    }
}

extension JSONWriter {
    fileprivate mutating func write(_ connection: Operations.Connection, _ figures: ConnectionStatistics) {
        field("name", connection.name)
        field("state", "\(connection.connection.state)")
        if let url = figures.url { field("url", url) }
        field("reconnects", figures.reconnects)
        field("bytes_in", figures.bytesIn)
        field("bytes_out", figures.bytesOut)
    }

    fileprivate mutating func write(_ watched: Operations.Watched) {
        let monitor = watched.instance.monitor
        field("name", monitor.instance)
        field("store", watched.instance.storeType)
        field("phase", monitor.phase.rawValue)
        switch watched.probe.known(within: .seconds(2)) {
        case .fails?: field("problem", "the store does not answer")
        case .answers?, nil: break
        }
        field("in_flight", monitor.requestsInFlight)
        field("limit", monitor.limits.maxInFlight)
        field("uploads", monitor.openUploads)
        array("ports") { writer in
            for port in monitor.ports { writer.object { $0.write(port) } }
        }
    }

    private mutating func write(_ port: InstanceMonitor.PortFigures) {
        field("port", port.port)
        field("requests", port.requests)
        field("errors", port.errors)
        field("microseconds", Int(port.duration.seconds * 1e6))
        field("bytes_in", port.bytesIn)
        field("bytes_out", port.bytesOut)
    }
}
