import Logging
import Metrics
import NATS
import Storage
import StorageWire

/// Tells every output what happened, in the order in which it is told, key by key.
struct EventPublisher: Sendable {
    /// How long a stop may wait for outputs that are away.
    private static let grace: Duration = .seconds(10)

    private let instance: String
    private let seen: EventFeed
    private let events: [OutputWriter]
    private let stored: [OutputWriter]

    init(_ configuration: InstanceConfiguration, _ seen: EventFeed, _ logger: Logger, _ metrics: any MetricsFactory) {
        instance = configuration.name
        self.seen = seen
        events = configuration.events.map { OutputWriter($0, instance: configuration.name, logger, metrics) }
        stored = configuration.stored.map { OutputWriter($0, instance: configuration.name, logger, metrics) }
    }

    /// Throws where an output is to go into a stream, and none takes its subject.
    func check(_ connection: NATSConnection) async throws {
        for output in events + stored { try await output.check(connection, instance: instance) }
    }

    /// Publishes until ``finish()`` and everything handed over before is out.
    func run(_ connection: NATSConnection) async {
        await withDiscardingTaskGroup { group in
            for output in events + stored { group.addTask { await output.run(connection) } }
        }
    }

    /// A stop has begun.
    func hurry() {
        for output in events + stored { output.hurry(Self.grace) }
    }

    func finish() {
        for output in events + stored { output.finish(within: Self.grace) }
    }

    func retrieved(_ info: ObjectInfo, _ request: Request) {
        send(StorageEvent(.retrieved, info, instance: instance).traced(request))
    }

    /// Of a put that has a message id it is not known whether it is this one that stored the object: each tells the same
    /// event then, by its id.
    func put(_ info: ObjectInfo, _ options: PutOptions, _ request: Request) {
        var event = StorageEvent(.stored, info, instance: instance).traced(request)
        if options.messageID != nil { event.id = derivedID("stored", info) }
        send(event)
    }

    private func derivedID(_ what: String, _ info: ObjectInfo) -> String {
        NUID.derived(from: "\(what)\n\(instance)\n\(info.key)\n\(info.version)")
    }

    func deleted(_ key: ObjectKey, _ request: Request) {
        send(StorageEvent(.deleted, key: key.rawValue, instance: instance).traced(request))
    }

    func expired(_ info: ObjectInfo) {
        send(StorageEvent(.expired, info, instance: instance))
    }

    func failed(_ error: StorageError, _ operation: String, key: String?, _ request: Request) {
        let key = key ?? error.key ?? ""
        // A key that is none may be of any length.
        let shown = key.utf8.count > ObjectKey.maximumBytes ? key.abbreviated : key
        var event = StorageEvent(.failed, key: shown, instance: instance).traced(request)
        event.error = ErrorCodec.Detail(error)
        event.operation = operation
        send(event)
    }

    /// Tells that a message is stored, and passes its reference on. Both have the same ids whenever the same version is
    /// told of: who was told before and died is told again.
    func passOn(_ info: ObjectInfo, _ request: Request) -> Receipt {
        let interested = events.filter { $0.takes(.stored) }
        let receipt = Receipt(interested.count + stored.count)
        var event = StorageEvent(.stored, info, instance: instance).traced(request)
        event.id = derivedID("stored", info)
        seen.record(event)
        for output in interested { output.send(Notice(content: .event(event), receipt: receipt)) }
        if !stored.isEmpty {
            let reference = StoredReference(
                id: derivedID("reference", info), instance: instance, info: info, trace: request.trace)
            for output in stored { output.send(Notice(content: .reference(reference), receipt: receipt)) }
        }
        return receipt
    }

    private func send(_ event: StorageEvent) {
        seen.record(event)
        for output in events where output.takes(event.type) { output.send(Notice(content: .event(event))) }
    }
}

extension Request {
    /// The W3C trace context that it came with; a header that is longer than any trace's is none.
    var trace: [String: String] {
        var trace: [String: String] = [:]
        for name in [WireHeader.traceParent, WireHeader.traceState] {
            if let value = headers.first(name), value.utf8.count <= 1024 { trace[name] = value }
        }
        return trace
    }
}

extension StorageEvent {
    fileprivate func traced(_ request: Request) -> StorageEvent {
        var event = self
        event.trace = request.trace
        return event
    }
}
