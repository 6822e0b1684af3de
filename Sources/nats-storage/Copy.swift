public import ArgumentParser
import Foundation
import Storage
public import StorageSnapshot

struct Copy: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Copies objects from one store to another.",
        discussion: """
            What is the same on both sides is not copied again, so a copy that was interrupted goes on where it is run \
            again; with --state it does not even list again what is done. What another writer changes in the \
            destination meanwhile is not written over, where the destination can tell. The exit status is 1 where \
            any object failed.

            \(StoreLocation.help)
            """)

    @Argument(help: "The store to copy from.") var from: StoreLocation
    @Argument(help: "The store to copy to.") var to: StoreLocation
    @Option(help: "Only keys that begin so.") var prefix = ""
    @Option(help: "What happens to objects that are there: update (where they differ), keep, or replace.")
    var existing = StoreCopy.Existing.update
    @Flag(help: "Delete what the source does not have.") var delete = false
    @Flag(help: "Store objects for ever that expire.") var dropExpiry = false
    @Option(help: "How many objects at once: 1…256.") var parallel = 8
    @Flag(help: "Only tell what would be done.") var dryRun = false
    @Option(help: "A file that keeps how far the copy is; removed when it is done.") var state: String?
    @Flag(name: .shortAndLong, help: "Print a line for each object that is changed.") var verbose = false
    @Flag(help: "Print JSON.") var json = false
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        guard (1...256).contains(parallel) else { throw ValidationError("--parallel is not in 1…256") }
    }

    func run() async throws {
        var copy = StoreCopy()
        copy.prefix = prefix
        copy.existing = existing
        copy.deletes = delete
        copy.dropsExpiry = dropExpiry
        copy.parallelism = parallel
        copy.isDryRun = dryRun
        var mark = try state.map {
            try Mark($0, task: "\(from.description) \(to.description) \(prefix)", isKept: !dryRun)
        }
        copy.startAfter = mark?.key
        let progress = try await from.withStore(connection) { source in
            try await to.withStore(connection) { destination in
                var counter = Counter()
                return try await copy.run(from: source, to: destination) { step, progress in
                    show(step)
                    counter.show(progress.copied, progress.bytes)
                    mark?.advance(to: progress.completedThrough)
                }
            }
        }
        StatusLine.clear()
        if json { printJSON(progress) } else { print(summary(progress)) }
        guard progress.failed == 0 else { throw StorageError(.internal, "\(progress.failed) objects failed") }
        mark?.remove()
    }

    private func show(_ step: StoreCopy.Step) {
        if printsEach { StatusLine.clear() }
        switch step {
        case .failed(let key, let error): complain("\(key): \(error)")
        case .copied(let info) where printsEach: print("copy", info.key, info.size)
        case .changed(let info) where printsEach: print("metadata", info.key)
        case .deleted(let key) where printsEach: print("delete", key)
        default: break
        }
    }

    private var printsEach: Bool { (verbose || dryRun) && !json }

    private func summary(_ progress: StoreCopy.Progress) -> String {
        let done = dryRun ? "would be " : ""
        return "\(progress.copied) objects, \(progress.bytes) bytes \(done)copied; \(progress.changed) changed, "
            + "\(progress.deleted) deleted, \(progress.skipped) skipped, \(progress.failed) failed"
    }
}

extension StoreCopy.Existing: ExpressibleByArgument {}

/// How far a copy is, in a file: the first line says of which copy, the second up to which key.
private struct Mark {
    private let path: String
    private let task: String
    /// Whether the file is written; else it is only read.
    private var isKept: Bool
    private(set) var key: String?
    private var written = ContinuousClock.now

    /// - Throws: where the file is of another copy, or can't be read or written.
    init(_ path: String, task: String, isKept: Bool) throws {
        (self.path, self.task, self.isKept) = (path, task, isKept)
        if access(path, F_OK) == 0 {
            guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
                throw StorageError(.invalid, "the state file “\(path)” can't be read")
            }
            let lines = text.split(separator: "\n")
            guard (1...2).contains(lines.count), lines[0] == task else {
                throw StorageError(.invalid, "“\(path)” is the state of another copy; remove it, or name another file")
            }
            key = lines.count == 2 ? String(lines[1]) : nil
        }
        if isKept { try write() }
    }

    /// Once a second at most: what is lost is listed again, not copied again.
    mutating func advance(to key: String?) {
        guard isKept, let key, key != self.key, self.key == nil || ContinuousClock.now - written > .seconds(1) else {
            return
        }
        (self.key, written) = (key, .now)
        do {
            try write()
        } catch {
            isKept = false
            complain("\(error); the copy goes on without")
        }
    }

    private func write() throws {
        do {
            try ([task] + [key].compactMap(\.self)).map { $0 + "\n" }.joined()
                .write(toFile: path, atomically: true, encoding: .utf8)
        } catch {
            throw StorageError(.invalid, "the state file “\(path)” can't be written: \(error.localizedDescription)")
        }
    }

    func remove() {
        if isKept { unlink(path) }
    }
}
