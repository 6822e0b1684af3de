import Crypto
import Storage
import Synchronization

/// Reads an object's chunks one after the other as they are asked for.
final class StoredBody: Sendable {
    private struct State {
        var rest: Range<Int>
        var hash: SHA256?
    }

    private let bodies: Bodies
    private let number: Int64
    private let info: ObjectInfo
    private let state: Mutex<State>

    init(_ number: Int64, _ info: ObjectInfo, _ range: Range<Int>, verify: Bool, _ bodies: Bodies) {
        self.bodies = bodies
        self.number = number
        self.info = info
        let isWhole = range.count == info.size
        state = Mutex(State(rest: range, hash: verify && isWhole ? SHA256() : nil))
    }

    var body: ObjectBody {
        ObjectBody(size: state.withLock { $0.rest.count }) { () async throws(StorageError) in try await self.next() }
    }

    private func next() async throws(StorageError) -> [UInt8]? {
        let rest = state.withLock { $0.rest }
        if rest.isEmpty { return nil }
        let place = rest.lowerBound / Schema.chunk
        let start = place * Schema.chunk
        var bytes = try await bodies.chunk(place, of: number)
        guard bytes.count == min(Schema.chunk, info.size - start) else { throw Self.damaged(info) }
        let part = rest.lowerBound - start..<min(rest.upperBound - start, bytes.count)
        if part.count < bytes.count { bytes = Array(bytes[part]) }
        try advance(bytes)
        return bytes
    }

    private func advance(_ bytes: [UInt8]) throws(StorageError) {
        let digest = state.withLock { state -> Storage.Digest? in
            state.rest = state.rest.dropFirst(bytes.count)
            state.hash?.update(bytes)
            return state.rest.isEmpty ? state.hash.map { Digest($0.finalize()) } : nil
        }
        if let digest, digest != info.digest { throw Self.damaged(info) }
    }

    static func damaged(_ info: ObjectInfo) -> StorageError {
        StorageError(.internal, "the bytes of “\(info.key)” are damaged", key: info.key.rawValue)
    }
}
