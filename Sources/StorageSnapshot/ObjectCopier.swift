import FoundationEssentials
import Storage

/// Does what has to be done with one key.
struct ObjectCopier: Sendable {
    let source: any Store
    let destination: any Store
    let options: StoreCopy

    func perform(_ work: StoreCopy.Work) async -> StoreCopy.Step {
        do throws(StorageError) {
            switch work {
            case .skip(let key): return .skipped(key)
            case .copy(let info, let other): return try await copy(info, over: other)
            case .change(let info, let other): return try await change(info, over: other)
            case .delete(let info): return try await delete(info)
            }
        } catch {
            return .failed(work.key, error)
        }
    }

    private func copy(_ info: ObjectInfo, over other: ObjectInfo?) async throws(StorageError) -> StoreCopy.Step {
        if options.isDryRun { return .copied(info) }
        let object: StoredObject
        do throws(StorageError) {
            object = try await source.get(info.key)
        } catch {
            // Deleted since it was listed.
            if error.kind == .notFound { return .skipped(info.key) }
            throw error
        }
        let now = Date.now
        guard options.dropsExpiry || !object.info.isExpired(at: now) else { return .skipped(info.key) }
        var put = object.info.putAgain(keepingExpiry: !options.dropsExpiry, now: now, false)
        put.precondition = precondition(other)
        return .copied(try await destination.put(info.key, object.body, options: put))
    }

    private func change(_ info: ObjectInfo, over other: ObjectInfo) async throws(StorageError) -> StoreCopy.Step {
        guard destination.capabilities.contains(.metadataUpdate) else { return try await copy(info, over: other) }
        if options.isDryRun { return .changed(info) }
        let update = SetMetadataOptions(precondition: precondition(other))
        return .changed(try await destination.setMetadata(info.key, info.attributes, options: update))
    }

    private func delete(_ info: ObjectInfo) async throws(StorageError) -> StoreCopy.Step {
        if options.isDryRun { return .deleted(info.key) }
        let existed = try await destination.delete(info.key, options: DeleteOptions(precondition: precondition(info)))
        return existed ? .deleted(info.key) : .skipped(info.key)
    }

    /// That the destination still has what was listed there, where it can say so.
    private func precondition(_ listed: ObjectInfo?) -> Precondition {
        let capabilities = destination.capabilities
        guard let listed else { return capabilities.contains(.createOnly) ? .absent : .none }
        return capabilities.contains(.compareAndSwap) ? .matches(listed.version) : .none
    }
}
