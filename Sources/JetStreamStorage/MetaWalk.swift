import NATS
import Storage

extension Bucket {
    /// How many sequences one task of a walk looks at, and how many tasks there are at once.
    private static let segment: UInt64 = 4096
    private static let width = 32

    /// Gives every meta message that the bucket holds from `first` on, in no particular order. What is written
    /// meanwhile may be among them.
    func forEachMeta(
        from first: UInt64 = 1, _ take: (StoredMessage) -> Void
    ) async throws(StorageError) {
        guard !followsReliably else {
            return try await mapped(name) { () async throws(NATSError) in
                try await control.scan(format.stream, filter: format.allMeta, startSequence: first) { take($0) }
            }
        }
        let last = try await lastSequence()
        guard first <= last else { return }
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
