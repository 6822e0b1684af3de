import NATS
import Storage

extension Bucket {
    /// How many sequences one task of a walk looks at, and how many tasks there are at once.
    private static let segment: UInt64 = 1024
    private static let width = 32

    /// How many further passes read what was written meanwhile.
    private static let rounds = 1000

    /// Gives a meta message of every key that has one from `first` on to the end, in order, and goes on until there is
    /// none that was not given: whatever is replaced meanwhile moves to the end of the stream, and would be missed
    /// otherwise. Of one key there may be several.
    ///
    /// - Parameters:
    ///   - atLeader: whether nobody else may tell what there is, whatever the bucket's reads are like.
    ///   - progress: called for what came, though it may not be its turn yet; from any task.
    /// - Throws: `timeout` or `unavailable` where the bucket is written to faster than it can be read.
    func forEachMeta(
        from first: UInt64 = 1, atLeader: Bool = false, progress: @escaping @Sendable () -> Void = {},
        _ take: (StoredMessage) throws(StorageError) -> Void
    ) async throws(StorageError) {
        var next = first
        for _ in 0..<Self.rounds {
            if followsReliably {
                next = try await scan(from: next, take)
            } else {
                next = try await walk(from: next, atLeader, progress, take)
            }
            // Not far from the end a request for each is quicker than another walk.
            for _ in 0..<Self.few {
                guard let message = try await metaMessage(from: next, atLeader: atLeader) else { return }
                try take(message)
                next = message.sequence + 1
            }
        }
        throw StorageError(
            .unavailable, "bucket “\(name)” is written to faster than it can be read; try again later")
    }

    /// So many are fetched one behind the other, before many are at once.
    static let few = 16

    /// What a consumer gives from `first` on; the sequence to go on at.
    private func scan(
        from first: UInt64, _ take: (StoredMessage) throws(StorageError) -> Void
    ) async throws(StorageError) -> UInt64 {
        var refusal: StorageError?
        do throws(NATSError) {
            let last = try await control.scan(format.stream, filter: format.allMeta, startSequence: first) {
                message throws(NATSError) in
                do throws(StorageError) {
                    try take(message)
                } catch {
                    refusal = error
                    throw NATSError(.cancelled, "the walk through “\(format.stream)” is given up")
                }
            }
            return last + 1
        } catch {
            throw refusal ?? StorageError(error, bucket: name)
        }
    }

    /// What the stream holds from `first` up to its end at the beginning; the sequence to go on at.
    private func walk(
        from first: UInt64, _ atLeader: Bool, _ progress: @escaping @Sendable () -> Void,
        _ take: (StoredMessage) throws(StorageError) -> Void
    ) async throws(StorageError) -> UInt64 {
        let last = try await lastSequence()
        guard first <= last else { return first }
        let failure = await withTaskGroup(of: Segment.self) { group -> StorageError? in
            var (asked, given) = (first, first)
            var early: [UInt64: [StoredMessage]] = [:]
            func ask() {
                guard asked <= last else { return }
                let range = asked...min(last, asked + Self.segment - 1)
                asked = range.upperBound + 1
                group.addTask { Segment(start: range.lowerBound, found: await walk(range, atLeader, progress)) }
            }
            for _ in 0..<Self.width { ask() }
            for await segment in group {
                switch segment.found {
                case .success(let messages): early[segment.start] = messages
                case .failure(let error):
                    group.cancelAll()
                    return error
                }
                while let messages = early.removeValue(forKey: given) {
                    do throws(StorageError) {
                        for message in messages { try take(message) }
                    } catch {
                        group.cancelAll()
                        return error
                    }
                    given += Self.segment
                    ask()
                }
            }
            return nil
        }
        if let failure { throw failure }
        return last + 1
    }

    /// What one task of a walk found.
    private struct Segment: Sendable {
        let start: UInt64
        let found: Result<[StoredMessage], StorageError>
    }

    /// The meta messages of a range of sequences, each asked for behind the one before.
    private func walk(
        _ range: ClosedRange<UInt64>, _ atLeader: Bool, _ progress: @Sendable () -> Void
    ) async -> Result<[StoredMessage], StorageError> {
        var found: [StoredMessage] = []
        var next = range.lowerBound
        do throws(StorageError) {
            while next <= range.upperBound, let message = try await metaMessage(from: next, atLeader: atLeader),
                message.sequence <= range.upperBound
            {
                progress()
                found.append(message)
                next = message.sequence + 1
            }
            return .success(found)
        } catch {
            return .failure(error)
        }
    }

    /// The first meta message at or behind `sequence`; nil where there is none.
    func metaMessage(
        from sequence: UInt64, atLeader: Bool = false
    ) async throws(StorageError) -> StoredMessage? {
        try await message(.nextBySubject(format.allMeta, startSequence: sequence), atLeader: atLeader)
    }
}
