import Foundation
import Storage

/// The store that the guide “Writing a store” explains: objects in a dictionary, without expiry, changes of metadata
/// alone, or message ids.
actor ExampleStore: Store {
    private var objects: [ObjectKey: (info: ObjectInfo, bytes: [UInt8])] = [:]
    private var lastVersion = 0
    private var isShutDown = false

    nonisolated var capabilities: Capabilities { [.createOnly, .compareAndSwap] }

    func put(_ key: ObjectKey, _ body: ObjectBody, options: PutOptions) async throws(StorageError) -> ObjectInfo {
        guard options.timeToLive == nil, options.messageID == nil else { throw unsupported("expiry and message ids") }
        // Prepare: nothing of it is visible yet. Other operations run between the chunks.
        var reader = BodyReader(body)
        var bytes: [UInt8] = []
        while let chunk = try await reader.next(1 << 20) { bytes += chunk }
        let digest = try await reader.finish(expected: options.expectedDigest)
        guard !Task.isCancelled else { throw .cancelled }
        // Commit: the condition and the change are one step, without an await between them.
        try check(options.precondition, key)
        lastVersion += 1
        let info = ObjectInfo(
            key: key, size: bytes.count, version: Version("\(lastVersion)"), digest: digest, modified: .now,
            attributes: options.attributes)
        objects[key] = (info, bytes)
        return info
    }

    func get(_ key: ObjectKey, options: GetOptions) async throws(StorageError) -> StoredObject {
        let object = try object(key, options.ifMatch)
        let range = try options.range?.resolve(size: object.bytes.count) ?? 0..<object.bytes.count
        return StoredObject(info: object.info, range: range, body: ObjectBody(Array(object.bytes[range])))
    }

    func info(_ key: ObjectKey, options: InfoOptions) async throws(StorageError) -> ObjectInfo {
        try object(key, options.ifMatch).info
    }

    func delete(_ key: ObjectKey, options: DeleteOptions) async throws(StorageError) -> Bool {
        try options.validate()
        try check(options.precondition, key)
        return objects.removeValue(forKey: key) != nil
    }

    func list(_ query: ListQuery) async throws(StorageError) -> ListPage {
        try query.validate()
        try checkOpen()
        var page = ListPageBuilder(query)
        for key in objects.keys.sorted() {
            guard let info = objects[key]?.info, page.add(info) else { break }
        }
        return page.result
    }

    func setMetadata(
        _ key: ObjectKey, _ attributes: ObjectAttributes, options: SetMetadataOptions
    ) async throws(StorageError) -> ObjectInfo {
        throw unsupported("changes of metadata alone")
    }

    func shutdown() async {
        isShutDown = true
        objects = [:]
    }

    private func object(_ key: ObjectKey, _ ifMatch: Version?) throws(StorageError) -> (
        info: ObjectInfo, bytes: [UInt8]
    ) {
        try checkOpen()
        guard let object = objects[key] else { throw .notFound(key) }
        try Precondition(ifMatch: ifMatch).check(object.info.version, of: key)
        return object
    }

    private func check(_ precondition: Precondition, _ key: ObjectKey) throws(StorageError) {
        try checkOpen()
        try precondition.check(objects[key]?.info.version, of: key)
    }

    private func checkOpen() throws(StorageError) {
        if isShutDown { throw StorageError(.unavailable, "the store is shut down") }
    }

    private nonisolated func unsupported(_ what: String) -> StorageError {
        StorageError(.unsupported, "this store knows no \(what)")
    }
}
