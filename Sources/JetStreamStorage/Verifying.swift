import NATS
public import Storage

/// An object that does not read as it was written, or a link that leads nowhere.
public struct Damage: Sendable {
    /// The object.
    public var key: ObjectKey
    /// What reading it said.
    public var error: StorageError
}

extension JetStreamStore {
    /// Reads every object and checks it against its digest; `progress` is told of each, `found` of each damaged one and of
    /// each link whose target is not there. What a link leads to is not read.
    ///
    /// - Throws: what keeps it from reading on; an object that is replaced meanwhile is left out.
    public func verify(
        progress: (ObjectInfo) -> Void, found: (Damage) -> Void
    ) async throws(StorageError) {
        for try await info in infos() {
            if let damage = try await damage(of: info.key) { found(damage) }
            progress(info)
        }
    }

    private func damage(of key: ObjectKey) async throws(StorageError) -> Damage? {
        var link: ObjectMeta.Link?
        do throws(StorageError) {
            link = try await live(key).meta.link
            if let link { try await find(link, from: key) } else { try await read(key) }
            return nil
        } catch {
            if link.map({ _ in error.leadsNowhere }) ?? (error.kind == .internal) {
                return Damage(key: key, error: error)
            }
            let isReplaced = error.kind == .unavailable && (error.cause as? NATSError) == nil
            guard error.kind == .notFound || isReplaced else { throw error }
            return nil
        }
    }

    private func find(_ link: ObjectMeta.Link, from key: ObjectKey) async throws(StorageError) {
        if link.name == nil {
            _ = try await sibling(link.bucket)
        } else {
            _ = try await info(key, options: InfoOptions())
        }
    }

    private func read(_ key: ObjectKey) async throws(StorageError) {
        let object = try await get(key, options: GetOptions())
        var body = object.body.makeAsyncIterator()
        while try await body.next() != nil {}
    }
}

extension StorageError {
    /// Whether it says of a link that its target is not there, not a name, or the link itself.
    fileprivate var leadsNowhere: Bool {
        switch kind {
        case .notFound, .invalid, .unsupported, .internal: true
        default: (cause as? NATSError)?.code == .api(code: 404, errorCode: JetStreamErrorCode.streamNotFound)
        }
    }
}
