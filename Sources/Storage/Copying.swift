import FoundationEssentials

extension Store {
    /// Stores what is under `key` under `target` too, with its attributes and what is left of its time to live.
    ///
    /// The bytes go through this process, a few chunks at a time. The copy becomes visible at once and whole.
    ///
    /// - Parameter precondition: what has to hold at `target`.
    /// - Returns: the copy's info.
    /// - Throws: `notFound`, and what get and put throw. The copy is not made then.
    @discardableResult
    public func copy(
        _ key: ObjectKey, to target: ObjectKey, precondition: Precondition = .none
    ) async throws(StorageError) -> ObjectInfo {
        try await copied(key, to: target, precondition).copy
    }

    /// Stores what is under `key` under `target` and then deletes it where it was, if it is still the same version.
    ///
    /// In between both are there, and so they stay where the process ends in between or the original was replaced.
    ///
    /// - Parameter precondition: what has to hold at `target`.
    /// - Returns: the info of the object at `target`.
    /// - Throws: `notFound`, and what get and put throw, before anything was done; `preconditionFailed` on `key` where
    ///   that was replaced meanwhile, which is left as it is then, beside the copy.
    @discardableResult
    public func move(
        _ key: ObjectKey, to target: ObjectKey, precondition: Precondition = .none
    ) async throws(StorageError) -> ObjectInfo {
        guard key != target else {
            throw StorageError(.invalid, "“\(key)” can't be moved to itself", key: key.rawValue, operation: .put)
        }
        let (original, copy) = try await copied(key, to: target, precondition)
        _ = try await delete(key, options: DeleteOptions(precondition: .matches(original.version)))
        return copy
    }

    private func copied(
        _ key: ObjectKey, to target: ObjectKey, _ precondition: Precondition
    ) async throws(StorageError) -> (original: ObjectInfo, copy: ObjectInfo) {
        let object = try await get(key)
        let options = PutOptions(
            precondition: precondition, attributes: object.info.attributes,
            timeToLive: object.info.remainingTimeToLive(at: .now))
        return (object.info, try await put(target, object.body, options: options))
    }
}
