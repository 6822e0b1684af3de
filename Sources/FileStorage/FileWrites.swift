import FoundationEssentials
import Glibc
import Storage

/// The changes of a file store, as they happen on an I/O thread.
struct FileWrites: Sendable {
    let root: Root
    let folders: Folders
    let durability: FileStoreConfiguration.Durability

    /// A put, whose bytes are on the disk already, or in `temporary` at least.
    struct Draft: Sendable {
        let info: ObjectInfo
        let options: PutOptions
        let temporary: TemporaryFile
        let now: Date
    }

    /// Makes the draft visible if its precondition holds; otherwise nothing of it is left.
    func commit(_ draft: Draft) throws(StorageError) -> ObjectInfo {
        let path = root.names.path(of: draft.info.key.rawValue)
        do throws(StorageError) {
            if draft.info.expires != nil { try root.noteExpiring() }
            guard let id = draft.options.messageID else {
                try place(draft, path)
                return draft.info
            }
            let record = MessageRecord(id: id, root: root)
            return try root.locks.exclusively(.messageID, record.name) { () throws(StorageError) in
                if let first = try record.first(at: draft.now) {
                    draft.temporary.remove()
                    // Who put it may not have come to that, and is acknowledged no more than this one.
                    try lastIfPresent(root.names.path(of: first.key.rawValue).folderAndName.folder)
                    return first
                }
                try record.announce(draft.info)
                try place(draft, path)
                record.confirm()
                return draft.info
            }
        } catch {
            draft.temporary.remove()
            throw error
        }
    }

    private func place(_ draft: Draft, _ path: String) throws(StorageError) {
        let (folderPath, name) = path.folderAndName
        let key = draft.info.key
        let precondition = draft.options.precondition
        let folder: Descriptor
        do throws(StorageError) {
            folder = try root.locks.exclusively(.key, key.rawValue) { () throws(StorageError) in
                var replaces = true
                if precondition != .none {
                    let current = try StoredFile.open(path, key, in: root.objects)
                    try check(precondition, current, key, draft.now)
                    replaces = current != nil
                }
                return try folders.withFolder(folderPath) { folder throws(StorageError) in
                    try draft.temporary.move(to: name, of: folder, replacing: replaces)
                }.folder
            }
        } catch {
            folders.prune(folderPath)
            throw error
        }
        try last(folder, folderPath)
    }

    /// Whether there was an object that had not expired.
    func delete(_ key: ObjectKey, _ precondition: Precondition, now: Date) throws(StorageError) -> Bool {
        let path = root.names.path(of: key.rawValue)
        let (folderPath, name) = path.folderAndName
        let (existed, folder) = try root.locks.exclusively(.key, key.rawValue) { () throws(StorageError) in
            guard let folder = try root.objects.openIfPresent(folderPath, O_RDONLY | O_DIRECTORY) else {
                try check(precondition, nil, key, now)
                return (false, Descriptor?.none)
            }
            let isLive = try isLive(path, key, precondition, now)
            return (try folder.unlink(name) && isLive, folder)
        }
        if let folder {
            defer { folders.prune(folderPath) }
            // Also where it was gone: who removed it may not have come to that. Where the folder is gone, nothing is left
            // that could come back.
            try last(folder, folderPath)
        }
        return existed
    }

    /// Removes an object that has expired; nil where it has not, or not any more, or somebody else was first.
    func deleteExpired(_ key: ObjectKey, now: Date) throws(StorageError) -> ObjectInfo? {
        let path = root.names.path(of: key.rawValue)
        let (folderPath, name) = path.folderAndName
        let removed = try root.locks.exclusively(.key, key.rawValue) { () throws(StorageError) in
            guard let current = try StoredFile.open(path, key, in: root.objects), current.info.isExpired(at: now),
                let folder = try root.objects.openIfPresent(folderPath, O_RDONLY | O_DIRECTORY)
            else { return ObjectInfo?.none }
            return try folder.unlink(name) ? current.info : nil
        }
        if removed != nil { folders.prune(folderPath) }
        return removed
    }

    /// Whether there is an object, after checking the precondition. One that is damaged counts, so that it can go.
    private func isLive(
        _ path: String, _ key: ObjectKey, _ precondition: Precondition, _ now: Date
    ) throws(StorageError) -> Bool {
        do throws(StorageError) {
            let current = try StoredFile.open(path, key, in: root.objects)
            try check(precondition, current, key, now)
            return current.map { !$0.info.isExpired(at: now) } ?? false
        } catch  where error.kind == .internal && precondition == .none {
            return true
        }
    }

    /// Replaces the attributes: a copy of the file with another trailer takes its place.
    func setAttributes(
        _ key: ObjectKey, _ attributes: ObjectAttributes, _ precondition: Precondition, now: Date
    ) throws(StorageError) -> ObjectInfo {
        let path = root.names.path(of: key.rawValue)
        while true {
            guard let before = try StoredFile.open(path, key, in: root.objects), !before.info.isExpired(at: now) else {
                throw StorageError.notFound(key)
            }
            try check(precondition, before, key, now)
            var info = before.info
            info.attributes = attributes
            info.version = Version(uniqueToken())
            let temporary = try TemporaryFile(in: root.temporary)
            do throws(StorageError) {
                try temporary.file.copy(before.info.size, from: before.file)
                try temporary.file.write(try Trailer(info).encoded())
                if durability != .none { try temporary.file.sync() }
                // The copy was made outside of the lock: it holds only for what was copied.
                let options = PutOptions(precondition: .matches(before.info.version))
                return try commit(Draft(info: info, options: options, temporary: temporary, now: now))
            } catch {
                temporary.remove()
                // Somebody was faster. Where the caller's own condition does not hold any more the next round tells.
                guard error.kind == .preconditionFailed else { throw error }
            }
        }
    }

    private func check(
        _ precondition: Precondition, _ current: StoredFile?, _ key: ObjectKey, _ now: Date
    ) throws(StorageError) {
        let version = current.flatMap { $0.info.isExpired(at: now) ? nil : $0.info.version }
        try precondition.check(version, of: key)
    }

    /// The same of a folder that may be gone, with what was in it.
    private func lastIfPresent(_ path: String) throws(StorageError) {
        guard let folder = try root.objects.openIfPresent(path, O_RDONLY | O_DIRECTORY) else { return }
        try last(folder, path)
    }

    /// Makes a change of `folder` last, where this thread is to wait for that.
    private func last(_ folder: Descriptor, _ path: String) throws(StorageError) {
        defer { folder.close() }
        guard durability == .always else { return }
        do throws(StorageError) { try folders.sync(folder, path) } catch { throw error.afterCommit }
    }
}
