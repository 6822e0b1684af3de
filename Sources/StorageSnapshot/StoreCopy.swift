public import Storage
import DequeModule
import FoundationEssentials

/// Copies objects from one store to another.
///
/// Both are listed side by side, so what is the same on both sides is not copied again, and a copy that was interrupted
/// goes on where it is run again. Nothing is written over that another writer changes meanwhile, where the destination can
/// say so.
public struct StoreCopy: Sendable {
    /// What happens where the destination has an object of that key.
    public enum Existing: String, Sendable, Hashable, CaseIterable {
        /// It is replaced where it differs, by digest, size or attributes; without digests, where it is older.
        case update
        /// It stays.
        case keep
        /// It is replaced.
        case replace
    }

    /// Keys that begin with these bytes; empty: all.
    public var prefix = ""
    /// Only what follows this text in the order of keys: ``Progress/completedThrough`` of a run before.
    public var startAfter: String?
    /// What happens to what is there.
    public var existing = Existing.update
    /// Whether objects are deleted in the destination that the source does not have.
    public var deletes = false
    /// Whether objects that expire are stored for ever; otherwise their time goes on.
    public var dropsExpiry = false
    /// Whether nothing is changed, only told.
    public var isDryRun = false
    /// How many objects are copied at once.
    public var parallelism = 8

    /// Updating everything.
    public init() {}

    /// What was done with one key.
    public enum Step: Sendable {
        /// Its bytes were stored, as this.
        case copied(ObjectInfo)
        /// Only its attributes were.
        case changed(ObjectInfo)
        /// It was deleted in the destination.
        case deleted(ObjectKey)
        /// It is as it should be, or was to be kept, or is gone.
        case skipped(ObjectKey)
        /// It could not be copied.
        case failed(ObjectKey, StorageError)

        /// Whose step it was.
        public var key: ObjectKey {
            switch self {
            case .copied(let info), .changed(let info): info.key
            case .deleted(let key), .skipped(let key), .failed(let key, _): key
            }
        }
    }

    /// How far a copy is.
    public struct Progress: Sendable, Hashable, Encodable {
        /// The objects whose bytes were copied.
        public internal(set) var copied = 0
        /// Their bytes.
        public internal(set) var bytes = 0
        /// The objects of which only the attributes were.
        public internal(set) var changed = 0
        /// The objects deleted in the destination.
        public internal(set) var deleted = 0
        /// The objects left as they were.
        public internal(set) var skipped = 0
        /// The objects that could not be copied.
        public internal(set) var failed = 0
        /// Everything up to this key is done: where a later run may start after. It never passes a key that failed.
        public internal(set) var completedThrough: String?
    }

    /// What has to be done with one key.
    enum Work: Sendable {
        case copy(ObjectInfo, over: ObjectInfo?)
        case change(ObjectInfo, over: ObjectInfo)
        case delete(ObjectInfo)
        case skip(ObjectKey)
    }

    /// Makes the destination hold what the source does, as far as the options ask for it.
    ///
    /// - Parameter report: told of each key, as it is done, and how far all is.
    /// - Throws: what listing either side throws. An object that fails is told and counted, and the others go on.
    public func run(
        from source: any Store, to destination: any Store, report: (Step, Progress) -> Void = { _, _ in }
    ) async throws(StorageError) -> Progress {
        let copier = ObjectCopier(source: source, destination: destination, options: self)
        let outcome = await withTaskGroup(of: Step.self) { group in
            var (ledger, underWay) = (Ledger(), 0)
            func finish(_ step: Step) {
                ledger.finish(step)
                report(step, ledger.progress)
            }
            do throws(StorageError) {
                let left = InfoList(source, prefix: prefix, startAfter: startAfter)
                let right = InfoList(destination, prefix: prefix, startAfter: startAfter)
                try await Difference.compare(left, right) { (difference) async throws(StorageError) in
                    if Task.isCancelled { throw .cancelled }
                    guard let work = work(for: difference) else { return }
                    ledger.begin(work.key)
                    guard case .skip(let key) = work else {
                        while underWay >= Swift.max(1, parallelism), let step = await group.next() {
                            underWay -= 1
                            finish(step)
                        }
                        group.addTask { await copier.perform(work) }
                        underWay += 1
                        return
                    }
                    finish(.skipped(key))
                }
            } catch {
                while let step = await group.next() { finish(step) }
                return Result<Progress, StorageError>.failure(error)
            }
            while let step = await group.next() { finish(step) }
            return .success(ledger.progress)
        }
        return try outcome.get()
    }

    private func work(for difference: Difference) -> Work? {
        switch difference {
        case .onlyLeft(let info): return .copy(info, over: nil)
        case .onlyRight(let info): return deletes ? .delete(info) : nil
        case .content(let info, let other): return existing == .keep ? .skip(info.key) : .copy(info, over: other)
        case .same(let info, let other): return existing == .replace ? .copy(info, over: other) : .skip(info.key)
        case .attributes(let info, let other):
            switch existing {
            case .keep: return .skip(info.key)
            case .update: return .change(info, over: other)
            case .replace: return .copy(info, over: other)
            }
        case .unknown(let info, let other):
            let isOlder = other.modified < info.modified || other.attributes != info.attributes
            return existing == .replace || (existing == .update && isOlder)
                ? .copy(info, over: other) : .skip(info.key)
        }
    }
}

extension StoreCopy.Work {
    var key: ObjectKey {
        switch self {
        case .copy(let info, _), .change(let info, _), .delete(let info): info.key
        case .skip(let key): key
        }
    }
}

/// Which keys were begun and are done: they end in any order.
private struct Ledger {
    private var begun: Deque<ObjectKey> = []
    private var done: Set<ObjectKey> = []
    private var firstFailed: ObjectKey?
    private(set) var progress = StoreCopy.Progress()

    mutating func begin(_ key: ObjectKey) {
        // Behind one that failed nobody needs to know the order.
        if firstFailed == nil { begun.append(key) }
    }

    mutating func finish(_ step: StoreCopy.Step) {
        switch step {
        case .copied(let info):
            progress.copied += 1
            progress.bytes.addSize(info.size)
        case .changed: progress.changed += 1
        case .deleted: progress.deleted += 1
        case .skipped: progress.skipped += 1
        case .failed: progress.failed += 1
        }
        if case .failed(let key, _) = step {
            firstFailed = firstFailed.map { Swift.min($0, key) } ?? key
            return
        }
        guard firstFailed.map({ step.key < $0 }) ?? true else { return }
        done.insert(step.key)
        while let first = begun.first, done.remove(first) != nil {
            progress.completedThrough = first.rawValue
            begun.removeFirst()
        }
    }
}
