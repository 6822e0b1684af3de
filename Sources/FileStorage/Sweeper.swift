import Dispatch
import FoundationEssentials
import Glibc
import Storage

/// What a sweep removed.
public struct SweepResult: Sendable, Hashable {
    /// Temporary files whose writers had died.
    public internal(set) var temporaryFiles = 0
    /// Objects past their expiry.
    public internal(set) var expiredObjects = 0
    /// Message ids of before the duplicate window.
    public internal(set) var messageIDs = 0
}

/// Removes what nobody needs any more.
struct Sweeper: Sendable {
    let writes: FileWrites
    let grace: Duration
    let now: @Sendable () -> Date

    /// Sweeps `store` every so often until it is shut down or let go.
    static func schedule(_ store: FileStore, every interval: Duration) {
        let queue = DispatchQueue(label: "nats-storage.files.sweep")
        @Sendable func next(_ store: FileStore) {
            queue.asyncAfter(deadline: .now() + max(1, interval.seconds)) { [weak store] in
                guard let store, (try? store.root.checkOpen()) != nil else { return }
                // What fails now is tried again the next time.
                _ = try? store.sweeper.sweep()
                next(store)
            }
        }
        next(store)
    }

    func sweep() throws(StorageError) -> SweepResult {
        var result = SweepResult()
        result.temporaryFiles = try removeTemporaries()
        result.messageIDs = try removeMessageIDs()
        if writes.root.mayExpire() { result.expiredObjects = try removeExpired() }
        return result
    }

    /// Removes the files older than the grace that no living process is writing.
    func removeTemporaries() throws(StorageError) -> Int {
        try removeFiles(in: writes.root.temporary, olderThan: grace.seconds) { folder, name throws(StorageError) in
            // Nothing that somebody else is removing is an error.
            guard let file = try folder.openIfPresent(name, O_RDONLY | O_NONBLOCK),
                flock(file.number, LOCK_EX | LOCK_NB) == 0
            else { return false }
            return try folder.unlink(name)
        }
    }

    private func removeMessageIDs() throws(StorageError) -> Int {
        let window = 2 * MessageRecord.window
        return try removeFiles(in: writes.root.ids, olderThan: window) { folder, name throws(StorageError) in
            let id = name.split(separator: ".").first.map(String.init) ?? name
            return try writes.root.locks.exclusively(.messageID, id) { () throws(StorageError) in
                // Written anew since it was found old: kept.
                try age(of: name, in: folder) > window ? try folder.unlink(name) : false
            }
        }
    }

    private func removeFiles(
        in folder: Descriptor, olderThan seconds: Double,
        _ remove: (Descriptor, String) throws(StorageError) -> Bool
    ) throws(StorageError) -> Int {
        var count = 0
        try folder.forEachName { name throws(StorageError) in
            if try age(of: name, in: folder) >= seconds, try remove(folder, name) { count += 1 }
            return true
        }
        return count
    }

    /// By the clock of the machine, in seconds; negative for what is gone.
    private func age(of name: String, in folder: Descriptor) throws(StorageError) -> Double {
        var status = stat()
        guard fstatat(folder.number, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
            if errno == ENOENT { return -1 }
            throw .system("reading a file's status")
        }
        let modified = Double(status.st_mtim.tv_sec) + Double(status.st_mtim.tv_nsec) * 1e-9
        return Date.now.timeIntervalSince1970 - modified
    }

    /// Walks all objects, a page at a time, and deletes those that have expired.
    private func removeExpired() throws(StorageError) -> Int {
        var count = 0
        var query = ListQuery(limit: ListQuery.maximumLimit)
        repeat {
            var listing = FileListing(query, writes.root, now: now(), wants: .expired)
            let page = try listing.page()
            for key in page.keys where try writes.deleteExpired(key, now: now()) { count += 1 }
            query.startAfter = page.next
        } while query.startAfter != nil
        return count
    }
}
