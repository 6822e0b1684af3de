import NATS
import Storage

extension Bucket {
    /// How many sequences one task of a walk looks at, and how many tasks there are at once.
    private static let segment: UInt64 = 4096
    private static let width = 32

    /// So often what was written meanwhile is read too.
    private static let rounds = 1000

    /// Gives a meta message of every key that has one from `first` on to the end, in no particular order, and goes on
    /// until there is none that was not given: whatever is replaced meanwhile moves to the end of the stream, and would
    /// be missed otherwise. Of one key there may be several.
    ///
    /// - Throws: `timeout` or `unavailable` where the bucket is written to faster than it can be read.
    func forEachMeta(
        from first: UInt64 = 1, _ take: (StoredMessage) -> Void
    ) async throws(StorageError) {
        var next = first
        for _ in 0..<Self.rounds {
            if followsReliably {
                next =
                    try await mapped(name) { () async throws(NATSError) in
                        try await control.scan(format.stream, filter: format.allMeta, startSequence: next) { take($0) }
                    } + 1
            } else {
                next = try await walk(from: next, take)
            }
            // Not far from the end a request for each is quicker than another walk.
            for _ in 0..<Self.few {
                guard let message = try await metaMessage(from: next) else { return }
                take(message)
                next = message.sequence + 1
            }
        }
        throw StorageError(
            .unavailable, "bucket “\(name)” is written to faster than it can be read; try again later")
    }

    /// So many are fetched one behind the other, before many are at once.
    static let few = 16

    /// What the stream holds from `first` up to its end at the beginning; the sequence to go on at.
    private func walk(from first: UInt64, _ take: (StoredMessage) -> Void) async throws(StorageError) -> UInt64 {
        let last = try await lastSequence()
        guard first <= last else { return first }
        let failure = await withTaskGroup(of: Result<[StoredMessage], StorageError>.self) { group in
            var failure: StorageError?
            var start = first
            func addNext() {
                guard failure == nil, start <= last else { return }
                let range = start...min(last, start + Self.segment - 1)
                start = range.upperBound + 1
                group.addTask { await walk(range) }
            }
            for _ in 0..<Self.width { addNext() }
            for await outcome in group {
                switch outcome {
                case .success(let messages): messages.forEach(take)
                case .failure(let error): failure = error
                }
                addNext()
            }
            return failure
        }
        if let failure { throw failure }
        return last + 1
    }

    /// The meta messages of a range of sequences, each asked for behind the one before.
    private func walk(_ range: ClosedRange<UInt64>) async -> Result<[StoredMessage], StorageError> {
        var found: [StoredMessage] = []
        var next = range.lowerBound
        do throws(StorageError) {
            while next <= range.upperBound, let message = try await metaMessage(from: next),
                message.sequence <= range.upperBound
            {
                found.append(message)
                next = message.sequence + 1
            }
            return .success(found)
        } catch {
            return .failure(error)
        }
    }

    /// The first meta message at or behind `sequence`; nil where there is none.
    func metaMessage(from sequence: UInt64) async throws(StorageError) -> StoredMessage? {
        try await message(.nextBySubject(format.allMeta, startSequence: sequence))
    }
}
