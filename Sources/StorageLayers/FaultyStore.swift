public import Storage
import Synchronization

/// A layer that makes a store slow and unreliable, to find out what its users make of that.
///
/// Without faults it is the store beneath. What fails, and when, is decided by a count or a seeded generator, so that a
/// run can be repeated: in the same order of operations the same ones fail.
public final class FaultyStore: StoreLayer {
    private struct Decider {
        var generator: SplitMix
        var count = 0
    }

    private let base: any Store
    private let faults: Faults
    private let decider: Mutex<Decider>

    /// `base`, with `faults`.
    public init(_ base: any Store, _ faults: Faults = Faults()) {
        self.base = base
        self.faults = faults
        decider = Mutex(Decider(generator: SplitMix(state: faults.seed)))
    }

    public var capabilities: Capabilities { base.capabilities }

    public var beneath: [any Store] { [base] }

    public func put(
        _ key: ObjectKey, _ body: ObjectBody, options: PutOptions
    ) async throws(StorageError) -> ObjectInfo {
        try await run(.put, key) { () async throws(StorageError) in
            try await base.put(key, body, options: options)
        }
    }

    public func get(_ key: ObjectKey, options: GetOptions) async throws(StorageError) -> StoredObject {
        try await run(.get, key) { () async throws(StorageError) in
            var object = try await base.get(key, options: options)
            if let cut = faults.cut { object.body = object.body.cut(cut, faults.error.during(.get, key: key)) }
            return object
        }
    }

    public func info(_ key: ObjectKey, options: InfoOptions) async throws(StorageError) -> ObjectInfo {
        try await run(.info, key) { () async throws(StorageError) in try await base.info(key, options: options) }
    }

    public func delete(_ key: ObjectKey, options: DeleteOptions) async throws(StorageError) -> Bool {
        try await run(.delete, key) { () async throws(StorageError) in try await base.delete(key, options: options) }
    }

    public func list(_ query: ListQuery) async throws(StorageError) -> ListPage {
        try await run(.list, nil) { () async throws(StorageError) in try await base.list(query) }
    }

    public func setMetadata(
        _ key: ObjectKey, _ attributes: ObjectAttributes, options: SetMetadataOptions
    ) async throws(StorageError) -> ObjectInfo {
        try await run(.setMetadata, key) { () async throws(StorageError) in
            try await base.setMetadata(key, attributes, options: options)
        }
    }

    /// Shuts the store beneath down; never fails.
    public func shutdown() async {
        await base.shutdown()
    }

    private func run<Value>(
        _ operation: StorageError.Operation, _ key: ObjectKey?, _ body: () async throws(StorageError) -> Value
    ) async throws(StorageError) -> Value {
        let fails = isNextToFail(operation)
        if faults.latency > .zero, (try? await Task.sleep(for: faults.latency)) == nil { throw .cancelled }
        if fails, faults.moment == .before { throw faults.error.during(operation, key: key) }
        let value = try await body()
        if fails { throw faults.error.during(operation, key: key) }
        return value
    }

    private func isNextToFail(_ operation: StorageError.Operation) -> Bool {
        guard faults.operations.contains(operation) else { return false }
        return decider.withLock { decider in
            decider.count += 1
            let isNth = faults.failEvery.map { $0 > 0 && decider.count.isMultiple(of: $0) } ?? false
            // Drawn in any case: the sequence does not depend on the count.
            let isDrawn = Double.random(in: 0..<1, using: &decider.generator) < faults.failProbability
            return isNth || isDrawn
        }
    }
}

/// A small generator of known quality that starts anywhere (Steele, Lea and Flood, 2014).
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }
}

extension ObjectBody {
    /// The first bytes of the body, and then what `cut` says; a body that is shorter stays whole.
    fileprivate func cut(_ cut: Faults.Cut, _ error: StorageError) -> ObjectBody {
        let (limit, failure): (Int, StorageError?) =
            switch cut {
            case .failing(let count): (Swift.max(0, count), error)
            case .ending(let count): (Swift.max(0, count), nil)
            }
        let pull = pull
        // How many bytes may still pass; nil: the cut was made.
        let left = Mutex<Int?>(limit)
        return ObjectBody(size: size) { () async throws(StorageError) in
            if let room = left.withLock({ $0 }) {
                guard let chunk = try await pull() else { return nil }
                left.withLock { $0 = chunk.count > room ? nil : room - chunk.count }
                if chunk.count <= room { return chunk }
                if room > 0 { return Array(chunk.prefix(room)) }
            }
            if let failure { throw failure }
            return nil
        }
    }
}
