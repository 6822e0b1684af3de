import Logging
import ServiceLifecycle
import StorageConfiguration
import StorageOperations
import StorageService
import UnixSignals

/// Reads the configuration again on SIGHUP: all of it is checked, then what can change does; the rest is named.
struct Reloading: Service, CustomStringConvertible {
    let configuration: Configuration
    let hangups: UnixSignalsSequence
    let read: (@Sendable () throws -> Configuration)?
    let log: LogControl
    let metrics: OperationsMetrics
    let operations: Operations?
    let monitors: [InstanceMonitor]

    /// What a service group logs: nothing of the configuration, which holds secrets.
    var description: String { "Reloading" }

    func run() async throws {
        let logger = log.logger(.program)
        var last = configuration
        for await _ in hangups.cancelOnGracefulShutdown() {
            guard let read else {
                logger.warning("SIGHUP: there is no configuration file to be read again")
                continue
            }
            do {
                let new = try read()
                apply(new)
                report(last.changes(to: new).reloadable, configuration.changes(to: new).needRestart, logger)
                last = new
                metrics.reloaded(true)
            } catch {
                logger.error("the configuration stays as it was, the file is wrong: \(error)")
                metrics.reloaded(false)
            }
        }
    }

    private func apply(_ new: Configuration) {
        log.settings = new.log
        if let http = new.http { operations?.setBrowsing(http.browse) }
        for monitor in monitors {
            let instance = new.instances.first { $0.configuration.name == monitor.instance }?.configuration
            if let instance { monitor.limits = instance.limits }
        }
    }

    private func report(_ changed: [String], _ waiting: [String], _ logger: Logger) {
        logger.notice(
            "configuration read again: \(changed.isEmpty ? "nothing" : changed.joined(separator: ", ")) changed")
        if !waiting.isEmpty { logger.warning("needs a restart to take effect: \(waiting.joined(separator: ", "))") }
    }
}
