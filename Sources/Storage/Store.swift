/// A place where objects lie: a backend, or a layer around another store.
///
/// Fixed semantics, the same in every store: a put is atomic (a reader sees the old object or the new one, whole);
/// deleting what is absent succeeds and says so; listing nothing is an empty page; a precondition that the store
/// can't honour throws `unsupported`; cancellation leaves nothing visible and nothing leaked. Every operation may be
/// called from any number of tasks at once. No requirement has a default implementation, so that no layer can forget
/// one; conveniences are in extensions.
public protocol Store: Sendable {
    /// What the store can do beyond the plain operations.
    var capabilities: Capabilities { get }

    /// Stores `body` under `key` and returns its info.
    ///
    /// The object becomes visible at once and whole, when everything is stored; until then readers see the one before.
    ///
    /// - Throws: `preconditionFailed` with the current version, `tooLarge`, `digestMismatch`, `invalid`,
    ///   `unsupported`, `unavailable`, `timeout`. Where it throws nothing is visible, save that after `timeout` or
    ///   `unavailable` the object may be stored: an info tells.
    func put(_ key: ObjectKey, _ body: ObjectBody, options: PutOptions) async throws(StorageError) -> ObjectInfo

    /// The object under `key`, its info at once and its bytes as they are pulled.
    ///
    /// A whole object is verified against its digest: a body that does not match it throws `internal` instead of
    /// ending. A version that is replaced while it is read either still reads whole or throws; it never mixes.
    ///
    /// - Throws: `notFound`, whatever `ifMatch` says; `preconditionFailed` with the current version where `ifMatch` is
    ///   another; `rangeNotSatisfiable`, where those do not come first.
    func get(_ key: ObjectKey, options: GetOptions) async throws(StorageError) -> StoredObject

    /// The info of the object under `key`.
    ///
    /// - Throws: `notFound`, whatever `ifMatch` says; `preconditionFailed` with the current version where `ifMatch` is
    ///   another.
    func info(_ key: ObjectKey, options: InfoOptions) async throws(StorageError) -> ObjectInfo

    /// Removes the object under `key`; whether there was one.
    ///
    /// - Throws: `preconditionFailed` with the current version, if any.
    func delete(_ key: ObjectKey, options: DeleteOptions) async throws(StorageError) -> Bool

    /// One page of keys in lexicographic order of their UTF-8 bytes.
    ///
    /// An object whose put was acknowledged before the call is in it; expired ones are not.
    func list(_ query: ListQuery) async throws(StorageError) -> ListPage

    /// Replaces content type, content encoding and user metadata, and nothing else; returns the new info.
    ///
    /// - Throws: `notFound`, `preconditionFailed`, `unsupported`.
    func setMetadata(
        _ key: ObjectKey, _ attributes: ObjectAttributes, options: SetMetadataOptions
    ) async throws(StorageError) -> ObjectInfo

    /// Releases what the store holds. Operations under way end, by success or by `unavailable`, as do later ones.
    func shutdown() async
}

/// A store within this process, whose acknowledgements can't get lost: a write that throws either has not happened, or
/// is to be made again.
package protocol LocalStore: Store {}

extension Store {
    /// Puts without options.
    @discardableResult
    public func put(_ key: ObjectKey, _ body: ObjectBody) async throws(StorageError) -> ObjectInfo {
        try await put(key, body, options: PutOptions())
    }

    /// Gets the whole object.
    public func get(_ key: ObjectKey) async throws(StorageError) -> StoredObject {
        try await get(key, options: GetOptions())
    }

    /// The whole object's bytes; `tooLarge` where it has more than `limit`.
    public func bytes(_ key: ObjectKey, upTo limit: Int = 64 << 20) async throws(StorageError) -> [UInt8] {
        do throws(StorageError) {
            return try await get(key).body.collect(upTo: limit)
        } catch {
            throw error.during(.get, key: key)
        }
    }

    /// The info of the current version.
    public func info(_ key: ObjectKey) async throws(StorageError) -> ObjectInfo {
        try await info(key, options: InfoOptions())
    }

    /// Deletes whatever version is there.
    @discardableResult
    public func delete(_ key: ObjectKey) async throws(StorageError) -> Bool {
        try await delete(key, options: DeleteOptions())
    }

    /// Runs what an operation consists of; its errors tell of which.
    package func during<Value>(
        _ operation: StorageError.Operation, _ key: ObjectKey? = nil,
        _ body: () async throws(StorageError) -> Value
    ) async throws(StorageError) -> Value {
        do throws(StorageError) { return try await body() } catch { throw error.during(operation, key: key) }
    }
}
