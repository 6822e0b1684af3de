public import Storage

/// A layer whose keys lie beneath a path of the store below: several stores in one.
///
/// Nothing outside of the path can be seen or reached. Keys are shorter by the path: one that does not fit any more is
/// `invalid`. Message ids are told apart by the path too.
public struct PrefixedStore: StoreLayer {
    private let base: any Store
    private let prefix: KeyPrefix

    /// What lies beneath `prefix` in `base`; a `/` at its end may be left out.
    ///
    /// - Throws: `invalid` for what is no path of segments that keys may have, or has a segment `*`.
    public init(_ base: any Store, prefix: String) throws(StorageError) {
        self.base = base
        self.prefix = try KeyPrefix(validating: prefix)
    }

    public var capabilities: Capabilities { base.capabilities }

    public var beneath: [any Store] { [base] }

    /// What lies outside of the path is nobody's here.
    public func shown(_ info: ObjectInfo) -> ObjectInfo? { try? prefix.outer(info) }

    public var watcher: StoreWatcher? {
        guard let watch = base.anyWatcher else { return nil }
        let prefix = prefix
        return { (query) async throws(StorageError) in
            var inner = query
            inner.prefix = prefix.text + query.prefix
            inner.pattern = query.pattern.flatMap(prefix.inner)
            return try await watch(inner).mapped { (change) throws(StorageError) in
                let shown = try Self.shown(change, prefix)
                return shown.key.map(query.admits) ?? true ? shown : nil
            }
        }
    }

    public func put(
        _ key: ObjectKey, _ body: ObjectBody, options: PutOptions
    ) async throws(StorageError) -> ObjectInfo {
        var options = options
        options.messageID = options.messageID.map { prefix.text + $0 }
        let inner = options
        return try await beneath(.put, key) { (key) async throws(StorageError) in
            try prefix.outer(try await base.put(key, body, options: inner))
        }
    }

    public func get(_ key: ObjectKey, options: GetOptions) async throws(StorageError) -> StoredObject {
        try await beneath(.get, key) { (key) async throws(StorageError) in
            var object = try await base.get(key, options: options)
            object.info = try prefix.outer(object.info)
            return object
        }
    }

    public func info(_ key: ObjectKey, options: InfoOptions) async throws(StorageError) -> ObjectInfo {
        try await beneath(.info, key) { (key) async throws(StorageError) in
            try prefix.outer(try await base.info(key, options: options))
        }
    }

    public func delete(_ key: ObjectKey, options: DeleteOptions) async throws(StorageError) -> Bool {
        try await beneath(.delete, key) { (key) async throws(StorageError) in
            try await base.delete(key, options: options)
        }
    }

    public func list(_ query: ListQuery) async throws(StorageError) -> ListPage {
        try query.validate()
        var inner = query
        inner.prefix = prefix.text + query.prefix
        inner.startAfter = query.startAfter.map { prefix.text + $0 }
        if let pattern = query.pattern {
            inner.pattern = prefix.inner(pattern)
            if inner.pattern == nil { return ListPage(objects: query.details ? [] : nil) }
        }
        return try outer(try await base.list(inner))
    }

    public func setMetadata(
        _ key: ObjectKey, _ attributes: ObjectAttributes, options: SetMetadataOptions
    ) async throws(StorageError) -> ObjectInfo {
        try await beneath(.setMetadata, key) { (key) async throws(StorageError) in
            try prefix.outer(try await base.setMetadata(key, attributes, options: options))
        }
    }

    /// Shuts the store beneath down, for all who use it.
    public func shutdown() async {
        await base.shutdown()
    }

    private func beneath<Value>(
        _ operation: StorageError.Operation, _ key: ObjectKey,
        _ body: (ObjectKey) async throws(StorageError) -> Value
    ) async throws(StorageError) -> Value {
        do throws(StorageError) {
            return try await body(try prefix.inner(key))
        } catch {
            throw prefix.outer(error.during(operation, key: key), key)
        }
    }

    private func outer(_ page: ListPage) throws(StorageError) -> ListPage {
        var outer = ListPage()
        outer.keys.reserveCapacity(page.keys.count)
        for key in page.keys { outer.keys.append(try prefix.outer(key)) }
        for text in page.prefixes { outer.prefixes.append(try cut(text)) }
        if let objects = page.objects {
            outer.objects = []
            for info in objects { outer.objects?.append(try prefix.outer(info)) }
        }
        outer.next = try page.next.map { (text) throws(StorageError) in try cut(text) }
        return outer
    }

    private func cut(_ text: String) throws(StorageError) -> String {
        guard let rest = prefix.outer(text) else {
            throw StorageError(
                .internal, "a page of what begins with “\(prefix.text)” tells of “\(text.abbreviated)”",
                operation: .list)
        }
        return rest
    }

    private static func shown(_ change: StoreChange, _ prefix: KeyPrefix) throws(StorageError) -> StoreChange {
        switch change {
        case .put(let info): .put(try prefix.outer(info))
        case .deleted(let key): .deleted(try prefix.outer(key))
        case .expired(let key): .expired(try prefix.outer(key))
        case .caughtUp, .lagged: change
        }
    }
}
