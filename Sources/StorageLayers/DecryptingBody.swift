import Storage
import Synchronization

/// Opens the chunks of an encrypted body as it is read.
final class DecryptingBody: Sendable {
    private struct State {
        var pending: [UInt8] = []
        var next: Int
    }

    private let object: EncryptedObject
    private let chunks: Range<Int>
    private let pull: ObjectBody.Pull
    private let state: Mutex<State>

    private init(_ body: ObjectBody, _ object: EncryptedObject, _ chunks: Range<Int>) {
        self.object = object
        self.chunks = chunks
        pull = body.pull
        state = Mutex(State(next: chunks.lowerBound))
    }

    /// The content of `chunks`, which are all that `body` holds.
    static func body(_ body: ObjectBody, _ object: EncryptedObject, _ chunks: Range<Int>) throws(StorageError)
        -> ObjectBody
    {
        if let sealed = body.bytesAtHand { return ObjectBody(try content(of: sealed, object, chunks)) }
        let decrypting = DecryptingBody(body, object, chunks)
        let size = min(object.size, chunks.upperBound * object.chunkSize) - chunks.lowerBound * object.chunkSize
        return ObjectBody(size: size) { () async throws(StorageError) in try await decrypting.next() }
    }

    private static func content(
        of sealed: [UInt8], _ object: EncryptedObject, _ chunks: Range<Int>
    ) throws(StorageError) -> [UInt8] {
        var (content, rest): ([UInt8], ArraySlice<UInt8>) = ([], sealed[...])
        if chunks.count > 1 { content.reserveCapacity(sealed.count) }
        for index in chunks {
            let size = object.sealedSize(ofChunk: index)
            guard rest.count >= size else { throw tooShort }
            let opened = try object.open(rest.prefix(size), index)
            if content.isEmpty { content = opened } else { content += opened }
            rest = rest.dropFirst(size)
        }
        guard rest.isEmpty else { throw tooLong }
        return content
    }

    private func next() async throws(StorageError) -> [UInt8]? {
        while true {
            let index = state.withLock { $0.next }
            guard index < chunks.upperBound else {
                guard state.withLock({ $0.pending.isEmpty }), try await pull() == nil else { throw Self.tooLong }
                return nil
            }
            let size = object.sealedSize(ofChunk: index)
            while state.withLock({ $0.pending.count }) < size {
                guard let chunk = try await pull() else { throw Self.tooShort }
                state.withLock { $0.pending += chunk }
            }
            let sealed = state.withLock { state in
                defer { state.pending.removeFirst(size) }
                state.next += 1
                return state.pending.prefix(size)
            }
            let content = try object.open(sealed, index)
            if !content.isEmpty { return content }
        }
    }

    private static var tooShort: StorageError { EncryptedObject.damaged("chunks are missing at its end") }
    private static var tooLong: StorageError { EncryptedObject.damaged("something follows its last chunk") }
}
