public import NATS
public import Storage
import StorageWire

/// A component's store, spoken to over its ports: a `Store` like any other.
///
/// Objects of any size go through: what does not fit one message is uploaded in parts, and read in ranges of one
/// version, several in flight.
public final class RemoteStore: Store {
    /// What there are ports for.
    private static let reachable: Capabilities = [.createOnly, .compareAndSwap, .timeToLive, .messageID]

    public let capabilities: Capabilities
    let connection: NATSConnection
    let timeout: Duration
    private let instance: String
    /// Those of ports that are known; the others are the usual ones.
    private let subjects: [Port: String]

    /// The store of `instance`, reached over `connection` on the usual subjects, without asking whether it is there.
    ///
    /// - Parameters:
    ///   - timeout: how long one request may take.
    ///   - capabilities: what the store behind the component can do. What it can't is refused by the component anyway,
    ///     as `unsupported`; a program that has to know before takes ``discover(_:instance:timeout:)``.
    public convenience init(
        _ connection: NATSConnection, instance: String = "objectstore", timeout: Duration = .seconds(30),
        capabilities: Capabilities = [.createOnly, .compareAndSwap, .timeToLive, .messageID]
    ) {
        self.init(connection, instance, timeout, capabilities, [:])
    }

    private init(
        _ connection: NATSConnection, _ instance: String, _ timeout: Duration, _ capabilities: Capabilities,
        _ subjects: [Port: String]
    ) {
        self.subjects = subjects
        self.connection = connection
        self.instance = instance
        self.timeout = timeout
        self.capabilities = capabilities.intersection(Self.reachable)
    }

    /// The store of `instance`, with the subjects that the component tells of its ports, and the capabilities of the store
    /// behind it.
    ///
    /// Of several components of the instance the first to answer is believed: they should stand on the same store.
    ///
    /// - Throws: `unavailable` where no component serves the instance, `timeout`, `invalid` for a name that is none.
    public static func discover(
        _ connection: NATSConnection, instance: String = "objectstore", timeout: Duration = .seconds(30)
    ) async throws(StorageError) -> RemoteStore {
        let asking = RemoteStore(connection, instance: instance, timeout: timeout)
        let reply = try await asking.ask("$SRV.INFO.storage-\(instance)", [], [])
        let info = try JSON.decode(WireServiceInfo.self, from: reply.payload, what: "component's answer")
        return RemoteStore(
            connection, instance, timeout, info.capabilities ?? asking.capabilities, info.subjects)
    }

    /// The most bytes of one message's payload, with room for headers.
    var room: Int { max(1024, connection.maxPayload - (16 << 10)) }

    public func put(
        _ key: ObjectKey, _ body: ObjectBody, options: PutOptions
    ) async throws(StorageError) -> ObjectInfo {
        let headers = [RequestCodec.header(for: key)] + RequestCodec.headers(for: options)
        if let bytes = body.bytesAtHand, bytes.count + headers.size <= connection.maxPayload {
            let reply = try await ask(.put, headers, bytes)
            return try JSON.decode(WireInfo.self, from: reply.payload, what: "reply").info()
        }
        let opened = try await ask(.upload, headers, [])
        let upload = try JSON.decode(WireUpload.self, from: opened.payload, what: "reply")
        return try await UploadSender(self, upload).send(body)
    }

    public func get(_ key: ObjectKey, options: GetOptions) async throws(StorageError) -> StoredObject {
        do throws(StorageError) {
            return try await fetch(key, options)
        } catch {
            guard error.kind == .tooLarge, error.currentVersion != nil else { throw error }
        }
        let info = try await info(key, options: InfoOptions(ifMatch: options.ifMatch))
        let range = try options.range?.resolve(size: info.size) ?? 0..<info.size
        return StoredObject(
            info: info, range: range, body: RangeReader.body(of: info, range, from: self, verify: options.verify))
    }

    /// What fits one reply.
    private func fetch(_ key: ObjectKey, _ options: GetOptions) async throws(StorageError) -> StoredObject {
        var headers: WireHeaders = [RequestCodec.header(for: key)]
        if let range = options.range { headers.append((WireHeader.range, range.description)) }
        if let version = options.ifMatch { headers.append((WireHeader.ifMatch, version.description)) }
        let reply = try await ask(.get, headers, [])
        let info = try ObjectHeaders.info(in: reply.headers.fields)
        let range = try options.range?.resolve(size: info.size) ?? 0..<info.size
        return StoredObject(info: info, range: range, body: ObjectBody(reply.payload))
    }

    /// A part of one version, in halves where it does not fit one reply beside the object's metadata.
    func bytes(of info: ObjectInfo, _ range: Range<Int>) async throws(StorageError) -> [UInt8] {
        let bounds = ByteRange.bounded(first: range.lowerBound, last: range.upperBound - 1)
        do throws(StorageError) {
            let found = try await fetch(info.key, GetOptions(range: bounds, ifMatch: info.version))
            return try await found.body.collect(upTo: .max)
        } catch {
            guard error.kind == .tooLarge, range.count > 1 else { throw error }
        }
        let middle = range.lowerBound + range.count / 2
        let lower = try await bytes(of: info, range.lowerBound..<middle)
        return lower + (try await bytes(of: info, middle..<range.upperBound))
    }

    public func info(_ key: ObjectKey, options: InfoOptions) async throws(StorageError) -> ObjectInfo {
        var headers: WireHeaders = [RequestCodec.header(for: key)]
        if let version = options.ifMatch { headers.append((WireHeader.ifMatch, version.description)) }
        let reply = try await ask(.info, headers, [])
        return try JSON.decode(WireInfo.self, from: reply.payload, what: "reply").info()
    }

    public func delete(_ key: ObjectKey, options: DeleteOptions) async throws(StorageError) -> Bool {
        let headers = [RequestCodec.header(for: key)] + RequestCodec.headers(for: options.precondition)
        let reply = try await ask(.delete, headers, [])
        return try JSON.decode(WireDeleted.self, from: reply.payload, what: "reply").deleted
    }

    public func list(_ query: ListQuery) async throws(StorageError) -> ListPage {
        let reply = try await ask(.list, [], JSON.encode(WireListQuery(query)))
        return try JSON.decode(WireListPage.self, from: reply.payload, what: "reply").page()
    }

    /// Throws `unsupported`: there is no port for it.
    public func setMetadata(
        _ key: ObjectKey, _ attributes: ObjectAttributes, options: SetMetadataOptions
    ) async throws(StorageError) -> ObjectInfo {
        throw StorageError(
            .unsupported, "a component has no port to change metadata alone; put the object again",
            key: key.rawValue, operation: .setMetadata)
    }

    /// Ends nothing: the connection belongs to whoever opened it.
    public func shutdown() async {}

    private func ask(_ port: Port, _ headers: WireHeaders, _ payload: [UInt8]) async throws(StorageError) -> NATSMessage
    {
        try await ask(subjects[port] ?? port.defaultSubject(instance: instance), headers, payload)
    }

    /// One request, its error made a `StorageError` again.
    func ask(_ subject: String, _ headers: WireHeaders, _ payload: [UInt8]) async throws(StorageError) -> NATSMessage {
        let reply: NATSMessage
        let headers = headers + [(WireHeader.timeout, String(max(1, Int(timeout.seconds * 1000))))]
        do throws(NATSError) {
            reply = try await connection.request(
                subject, headers: NATSHeaders(headers.map { ($0.name, $0.value) }), payload: payload,
                timeout: timeout)
        } catch {
            throw Self.error(error, instance)
        }
        if let error = ErrorCodec.decode(reply.headers.fields, reply.payload) { throw error }
        return reply
    }

    private static func error(_ error: NATSError, _ instance: String) -> StorageError {
        switch error.code {
        case .noResponders:
            StorageError(.unavailable, "no component serves instance “\(instance)”; is it running?", cause: error)
        case .timeout: StorageError(.timeout, error.message, cause: error)
        case .cancelled: .cancelled
        case .invalidArgument: StorageError(.invalid, error.message, cause: error)
        case .maxPayload: StorageError(.tooLarge, error.message, cause: error)
        case .permission, .authorization, .tls: StorageError(.internal, error.message, cause: error)
        default: StorageError(.unavailable, error.message, cause: error)
        }
    }
}
