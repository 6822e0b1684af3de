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
    /// How many objects one step looks at.
    static let stepSize = 1000

    let writes: FileWrites
    let expiries: Expiries
    let grace: Duration
    let now: @Sendable () -> Date

    /// Sweeps `store` every so often until it is shut down or let go.
    static func schedule(_ store: FileStore, every interval: Duration) {
        let queue = DispatchQueue(label: "nats-storage.files.sweep")
        @Sendable func next(_ store: FileStore) {
            queue.asyncAfter(deadline: .now() + max(1, interval.seconds)) { [weak store] in
                guard let store, (try? store.root.checkOpen()) != nil else { return }
                // What fails now is tried again the next time.
                _ = try? store.sweeper.sweep(removesExpired: !store.expiries.areReported)
                next(store)
            }
        }
        next(store)
    }

    func sweep(removesExpired: Bool = true) throws(StorageError) -> SweepResult {
        var result = SweepResult()
        result.temporaryFiles = try removeTemporaries()
        result.messageIDs = try removeMessageIDs()
        guard removesExpired else { return result }
        let walk = ObjectWalk()
        var isOver = false
        while !isOver {
            let step = try removeExpired(walk)
            result.expiredObjects += step.removed.count
            isOver = step.isOver
        }
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
            do throws(StorageError) {
                if try age(of: name, in: folder) >= seconds, try remove(folder, name) { count += 1 }
            } catch  where error.systemCode != nil {
                // A folder, a link, somebody else's: what can't go stays, and keeps nothing else from going.
            }
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

    /// Looks at the next objects of a walk: removes those that have expired and remembers when others will; what was
    /// removed, and whether the walk is over.
    func removeExpired(_ walk: ObjectWalk) throws(StorageError) -> (removed: [ObjectInfo], isOver: Bool) {
        guard writes.root.mayExpire() else { return ([], true) }
        let now = now()
        var removed: [ObjectInfo] = []
        for _ in 0..<Self.stepSize {
            guard let (key, path) = try walk.next(writes.root) else { return (removed, true) }
            guard let info = try StoredFile.readableInfo(path, key, in: writes.root.objects) else { continue }
            if !info.isExpired(at: now) {
                expiries.learn(info)
            } else if let info = try writes.deleteExpired(key, now: now) {
                removed.append(info)
            }
        }
        return (removed, false)
    }

    /// Removes what is known to have expired, up to a number; what it was.
    func removeDue() throws(StorageError) -> [ObjectInfo] {
        let now = now()
        var removed: [ObjectInfo] = []
        for key in expiries.takeDue(at: now, atMost: Self.stepSize) {
            if let info = try writes.deleteExpired(key, now: now) { removed.append(info) }
        }
        return removed
    }
}
