import Logging
import Storage
import StorageWire

/// Stores messages, each once, and passes their references on.
///
/// A message that comes again has the same key, made of what makes it the same: it is found there, however long ago it
/// was stored. Stores that know message ids also find one that comes under another key.
struct Pipeline: Sendable {
    /// Tells in an object's metadata which message of which stream it is of.
    static let originName = "storage-origin"
    /// More rounds against other writers than this are a storm, to be waited out.
    private static let maxRounds = 16

    let context: InstanceContext
    let input: InputConfiguration
    let counters: InputCounters
    let logger: Logger

    /// This pipeline, if the store can keep the order that its input asks for.
    ///
    /// - Throws: `unsupported` where the store can't keep the order that is asked for.
    func checked() throws(StorageError) -> Pipeline {
        guard input.order == .key, case .stream(let stream, _, _) = input.source,
            !context.store.capabilities.isSuperset(of: [.createOnly, .compareAndSwap])
        else { return self }
        throw StorageError(
            .unsupported, "the input from stream “\(stream)” asks for order by key: the store has no compare-and-swap")
    }

    /// A message that is ready to be stored.
    struct Item: Sendable {
        let incoming: Incoming
        let key: ObjectKey
        /// Whether the message names the key itself.
        let isNamed: Bool
        var options: PutOptions

        var body: ObjectBody { ObjectBody(incoming.request.payload) }
    }

    /// Throws where the message can never be stored.
    func item(_ incoming: Incoming) throws(StorageError) -> Item {
        let request = incoming.request
        try request.validate()
        var options = try RequestCodec.putOptions(in: request.headers)
        guard options.precondition == .none else {
            throw StorageError(.invalid, "a message that is to be stored takes no condition; use the put port")
        }
        let id = incoming.id(input.deduplication)
        let message = request.message(id: id)
        options.messageID = context.store.capabilities.contains(.messageID) ? id : nil
        options.attributes.metadata = context.metadata(of: message, options.attributes.metadata)
        let named = try RequestCodec.key(in: request.headers)
        if input.order == .key, let origin = incoming.origin {
            options.attributes.metadata[Self.originName] = [origin.description]
        }
        guard let key = named ?? context.configuration.keyGenerator.key(for: message) else { throw context.noKey }
        return Item(incoming: incoming, key: key, isNamed: named != nil, options: options)
    }

    /// Where a message has to wait for its turn; nil: nowhere.
    func lane(_ incoming: () -> Incoming) -> String? {
        input.order == .key ? (try? item(incoming()))?.key.rawValue : nil
    }

    /// Returns when the object is stored, and when its reference and its event are out.
    ///
    /// - Throws: `transient` errors where the same message may be stored later.
    func store(_ item: Item) async throws(StorageError) {
        let receipt = try await context.locks.withLock(item.key) { () async throws(StorageError) -> Receipt? in
            guard let info = try await put(item) else { return nil }
            return context.events.passOn(info, item.incoming.request)
        }
        try await receipt?.value()
    }

    /// What is stored, by this or an earlier delivery; nil where something newer, or nothing any more, is to be told of.
    private func put(_ item: Item) async throws(StorageError) -> ObjectInfo? {
        try context.checkSize(item.incoming.request.payload.count)
        try context.check(item.key, item.options.attributes)
        do throws(StorageError) {
            guard input.order == .key || !item.isNamed else { return try await put(item, .none) }
            return try await putInOrder(item)
        } catch {
            // Stored before and deleted since.
            if error.kind == .notFound { return nil }
            throw error
        }
    }

    private func putInOrder(_ item: Item) async throws(StorageError) -> ObjectInfo? {
        guard context.store.capabilities.contains(.createOnly) else { return try await put(item, .none) }
        var precondition = Precondition.absent
        for _ in 0..<Self.maxRounds {
            do throws(StorageError) {
                return try await put(item, precondition)
            } catch  where error.kind == .preconditionFailed {
                guard let present = try await present(item.key) else {
                    precondition = .absent
                    continue
                }
                switch place(of: item, beside: present) {
                case .same: return present
                case .superseded: return nil
                case .next: precondition = .matches(present.version)
                }
            }
        }
        throw StorageError(.unavailable, "too many others write “\(item.key)”", key: item.key.rawValue)
    }

    private func put(_ item: Item, _ precondition: Precondition) async throws(StorageError) -> ObjectInfo {
        var options = item.options
        options.precondition = precondition
        return try await context.store.put(item.key, item.body, options: options)
    }

    private func present(_ key: ObjectKey) async throws(StorageError) -> ObjectInfo? {
        do throws(StorageError) {
            return try await context.store.info(key)
        } catch  where error.kind == .notFound {
            return nil
        }
    }

    private enum Place {
        case same, superseded, next
    }

    /// Which place the message has in its key's order.
    private func place(of item: Item, beside present: ObjectInfo) -> Place {
        // Made of what makes a message the same.
        guard item.isNamed else { return .same }
        guard let origin = item.incoming.origin,
            let other = present.attributes.metadata[Self.originName]?.first.flatMap(Incoming.Origin.init)
        else { return .next }
        if other.isSame(as: origin) { return .same }
        return other.isAfter(origin) ? .superseded : .next
    }

    /// Tells that a message is given up.
    func report(_ error: StorageError, _ incoming: Incoming) {
        logger.error(
            "a message on “\(incoming.request.subject)” can't be stored: \(error)",
            metadata: incoming.request.logMetadata)
        context.events.failed(error, Port.write.rawValue, key: nil, incoming.request)
    }

    /// Whether another attempt may help, and there is one left.
    func mayTryAgain(_ error: StorageError, attempt: Int, of limit: Int?) -> Bool {
        error.errorClass == .transient && limit.map { attempt < $0 } ?? true
    }

    func pause(after attempt: Int, _ error: StorageError) -> Duration {
        error.retryAfter ?? input.pause(after: attempt)
    }
}
