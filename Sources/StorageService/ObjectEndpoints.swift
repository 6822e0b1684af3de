import Storage
import StorageWire

/// What every endpoint of an instance works with.
struct InstanceContext: Sendable {
    let configuration: InstanceConfiguration
    let store: any Store
    let monitor: InstanceMonitor
    let events: EventPublisher
    let locks: KeyLocks
    /// The most bytes that a reply may have, headers included.
    let maxReply: @Sendable () -> Int

    var limits: InstanceConfiguration.Limits { monitor.limits }

    func put(
        _ key: ObjectKey, _ body: ObjectBody, _ options: PutOptions, _ request: Request
    ) async throws(StorageError) -> ObjectInfo {
        if let size = body.size { try checkSize(size) }
        try check(key, options.attributes)
        return try await locks.withLock(key) { () async throws(StorageError) in
            let info = try await store.put(key, body, options: options)
            events.put(info, options, request)
            return info
        }
    }

    func delete(
        _ key: ObjectKey, _ precondition: Precondition, _ request: Request
    ) async throws(StorageError) -> Bool {
        try await locks.withLock(key) { () async throws(StorageError) in
            let deleted = try await store.delete(key, options: DeleteOptions(precondition: precondition))
            if deleted { events.deleted(key, request) }
            return deleted
        }
    }

    /// A page of a listing, of as many keys as the instance gives at once.
    func list(_ query: ListQuery) async throws(StorageError) -> ListPage {
        try query.validate()
        var query = query
        query.limit = min(query.limit, limits.maxKeys)
        return try await store.list(query)
    }

    func givenOrGeneratedKey(_ request: Request) throws(StorageError) -> ObjectKey {
        if let key = try RequestCodec.key(in: request.headers) { return key }
        return try generatedKey(request)
    }

    func generatedKey(_ request: Request) throws(StorageError) -> ObjectKey {
        guard let key = configuration.keyGenerator.key(for: request.message()) else { throw noKey }
        return key
    }

    /// What headers say, and what the extractor makes of the message, which counts where both have a name.
    func metadata(of message: Message, _ headers: Metadata) -> Metadata {
        let extractor = configuration.metadataExtractor
        // Who asks for none gets none.
        if extractor is NoMetadataExtractor { return [:] }
        return headers.merging(extractor.metadata(of: message)) { _, extracted in extracted }
    }

    var noKey: StorageError {
        StorageError(.invalid, "no key was given, and the message holds nothing to make one from")
    }

    /// Throws where key and attributes do not fit the messages that tell of the object: replies, events, references.
    func check(_ key: ObjectKey, _ attributes: ObjectAttributes) throws(StorageError) {
        let limit = maxReply()
        // Beside them come digest, times, names, and a trace.
        let room = max(limit / 2, limit - 16_384)
        guard attributes.sizeAtMost > room else { return }
        let headers = Reply(headers: ObjectHeaders.encode(attributes), payload: []).headerSize
        let size = max(headers, JSON.encode(WireAttributes(attributes)).count)
        guard size > room else { return }
        throw StorageError(
            .tooLarge, "\(size) bytes of metadata do not fit the messages that tell of the object: \(room) do",
            key: key.rawValue)
    }

    func checkSize(_ size: Int) throws(StorageError) {
        guard size > limits.maxObjectSize else { return }
        throw StorageError(
            .tooLarge, "\(size) bytes are over the instance's limit of \(limits.maxObjectSize)")
    }
}

struct PutEndpoint: Endpoint {
    let context: InstanceContext

    func answer(_ request: Request) async throws(StorageError) -> Reply {
        let options = try RequestCodec.putOptions(in: request.headers)
        let key = try context.givenOrGeneratedKey(request)
        return Reply(json: WireInfo(try await context.put(key, ObjectBody(request.payload), options, request)))
    }
}

struct GetEndpoint: Endpoint {
    let context: InstanceContext

    func key(of request: Request) -> String? { request.givenKey }

    func answer(_ request: Request) async throws(StorageError) -> Reply {
        let key = try request.key()
        var options = GetOptions(ifMatch: request.ifMatch)
        if let range = request.headers.first(WireHeader.range) { options.range = try ByteRange(parsing: range) }
        let object = try await context.store.get(key, options: options)
        let range = options.range == nil ? nil : object.range
        var reply = Reply(headers: ObjectHeaders.encode(object.info, range: range), payload: [])
        let room = context.maxReply() - reply.headerSize
        guard object.range.count <= room else { throw tooLarge(object, room) }
        reply.payload = try await object.body.collect(upTo: room)
        context.events.retrieved(object.info, request)
        return reply
    }

    private func tooLarge(_ object: StoredObject, _ room: Int) -> StorageError {
        var error = StorageError(
            .tooLarge, "\(object.range.count) bytes do not fit one reply; read ranges of at most \(max(0, room)) bytes",
            key: object.info.key.rawValue)
        error.size = object.info.size
        error.currentVersion = object.info.version
        return error
    }
}

struct InfoEndpoint: Endpoint {
    let context: InstanceContext

    func key(of request: Request) -> String? { request.givenKey }

    func answer(_ request: Request) async throws(StorageError) -> Reply {
        let options = InfoOptions(ifMatch: request.ifMatch)
        return Reply(json: WireInfo(try await context.store.info(try request.key(), options: options)))
    }
}

struct DeleteEndpoint: Endpoint {
    let context: InstanceContext

    func key(of request: Request) -> String? { request.givenKey }

    func answer(_ request: Request) async throws(StorageError) -> Reply {
        let key = try request.key()
        let precondition = try RequestCodec.precondition(in: request.headers)
        let deleted = try await context.delete(key, precondition, request)
        return Reply(json: WireDeleted(key: key.rawValue, deleted: deleted))
    }
}

struct ListEndpoint: Endpoint {
    let context: InstanceContext

    func answer(_ request: Request) async throws(StorageError) -> Reply {
        let query = try WireListQuery.query(in: request.payload)
        return try fitting(try await context.list(query), query)
    }

    /// The page, cut in halves until it fits.
    private func fitting(_ whole: ListPage, _ query: ListQuery) throws(StorageError) -> Reply {
        var page = whole
        while true {
            let reply = Reply(json: WireListPage(page, delimited: query.delimiter != nil))
            if reply.size <= context.maxReply() { return reply }
            let count = page.keys.count + page.prefixes.count
            guard count > 1 else {
                throw StorageError(.tooLarge, "one entry of the list does not fit a reply; list without details")
            }
            page = page.first(count / 2)
        }
    }
}

extension ListPage {
    /// The first `count` keys and prefixes in their common order.
    func first(_ count: Int) -> ListPage {
        let names = (keys.map(\.rawValue) + prefixes).sorted { $0.utf8Precedes($1) }
        guard count > 0, count < names.count else { return self }
        let last = names[count - 1]
        var page = self
        page.keys = keys.filter { !last.utf8Precedes($0.rawValue) }
        page.prefixes = prefixes.filter { !last.utf8Precedes($0) }
        page.objects = objects.map { Array($0.prefix(page.keys.count)) }
        page.next = last
        return page
    }
}
