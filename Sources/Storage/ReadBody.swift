import Crypto
import Synchronization

/// A part of an object whose bytes are read as they are asked for; of the whole object they are checked against its digest
/// before their end is told.
package final class ReadBody: Sendable {
    /// Reads bytes from the beginning of `rest`, as many as suit; never none.
    package typealias Read = @Sendable (_ rest: Range<Int>) async throws(StorageError) -> [UInt8]

    private struct State {
        var rest: Range<Int>
        var hash: SHA256?
    }

    private let info: ObjectInfo
    private let read: Read
    private let state: Mutex<State>

    private init(_ info: ObjectInfo, _ range: Range<Int>, verify: Bool, _ read: @escaping Read) {
        self.info = info
        self.read = read
        state = Mutex(State(rest: range, hash: verify && range.count == info.size ? SHA256() : nil))
    }

    /// The body of `range`.
    package static func body(
        _ info: ObjectInfo, _ range: Range<Int>, verify: Bool, _ read: @escaping Read
    ) -> ObjectBody {
        let reader = ReadBody(info, range, verify: verify, read)
        return ObjectBody(size: range.count) { () async throws(StorageError) in try await reader.next() }
    }

    private func next() async throws(StorageError) -> [UInt8]? {
        if Task.isCancelled { throw StorageError.cancelled }
        let rest = state.withLock { $0.rest }
        if rest.isEmpty { return nil }
        let bytes = try await read(rest)
        let digest = state.withLock { state -> Digest? in
            state.rest = state.rest.dropFirst(bytes.count)
            state.hash?.update(bytes)
            return state.rest.isEmpty ? state.hash.map { Digest($0.finalize()) } : nil
        }
        if let digest { try info.check(digest) }
        return bytes
    }
}

extension ObjectInfo {
    /// Throws `internal` where the object's bytes hash to another digest than those that were stored.
    package func check(_ found: Digest) throws(StorageError) {
        guard let digest, digest != found else { return }
        throw StorageError(
            .internal, "the bytes of “\(key)” are damaged: they hash to \(found), not to \(digest)", key: key.rawValue)
    }
}
