import Crypto
package import HTTP
package import Storage

/// Reads a body; where it breaks, goes on by range, as long as the object is the same.
package actor ObjectReader<Failure: ServiceFailure> {
    /// Asks for these bytes of the same object, or throws.
    package typealias Open = @Sendable (Range<Int>) async throws(Failure) -> HTTPResponseBody

    private let bucket: String
    private let end: Int
    private let digest: Storage.Digest?
    private let backoff: Backoff
    private let open: Open
    private var offset: Int
    private var body: HTTPResponseBody?
    private var hash: SHA256?
    private var failures = 0

    /// - Parameters:
    ///   - body: the bytes of `range`.
    ///   - digest: what they hash to, where that is to be checked.
    ///   - base: the longest wait before it is opened again; it is tried five times in a row, without a byte between.
    package init(
        _ body: HTTPResponseBody, range: Range<Int>, digest: Storage.Digest?, bucket: String, base: Duration,
        open: @escaping Open
    ) {
        self.body = body
        self.bucket = bucket
        self.digest = digest
        self.open = open
        backoff = Backoff(maxAttempts: 5, base: base)
        offset = range.lowerBound
        end = range.upperBound
        hash = digest.map { _ in SHA256() }
    }

    /// The next bytes; nil at the end, after they were verified.
    package func next() async throws(StorageError) -> [UInt8]? {
        while true {
            do throws(Failure) {
                if let chunk = try await read() { return chunk }
                try verify()
                return nil
            } catch {
                body = nil
                failures += 1
                if error.isPrecondition || error.isMissing { throw .replacedWhileRead }
                guard case .wait = error.remedy, let delay = backoff.delay(after: failures, asked: error.retryAfter)
                else { throw error.error(bucket: bucket) }
                guard (try? await Task.sleep(for: delay)) != nil else { throw .cancelled }
            }
        }
    }

    private func read() async throws(Failure) -> [UInt8]? {
        guard offset < end else {
            // Read to its end, the connection can be used again.
            if let rest = body { _ = try? await rest.next() }
            body = nil
            return nil
        }
        let source = if let body { body } else { try await open(offset..<end) }
        body = source
        do throws(HTTPError) {
            guard let chunk = try await source.next() else {
                throw HTTPError(.broken, .ifIdempotent, "the body ended \(end - offset) bytes early")
            }
            guard chunk.count <= end - offset else {
                throw HTTPError(.broken, .never, "the body has more bytes than its head says")
            }
            offset += chunk.count
            failures = 0
            hash?.update(chunk)
            return chunk
        } catch {
            throw Failure(error)
        }
    }

    private func verify() throws(Failure) {
        guard let digest, let hash else { return }
        let found = Storage.Digest(hash.finalize())
        guard found == digest else {
            throw Failure(
                refusal: StorageError(.internal, "the object's bytes hash to \(found), not to its digest \(digest)"))
        }
    }
}

extension StorageError {
    /// Another version is there, or none.
    package static let replacedWhileRead = StorageError(
        .unavailable, "the object was replaced or deleted while it was read; read it again")
}
