import Crypto
import HTTP
import Storage

/// Reads the bytes of one generation; where the body breaks, goes on by range.
actor GCSReader {
    /// In a row, without a byte between.
    private static let maxAttempts = 5

    private let client: GCSClient
    private let key: String
    private let generation: Int64
    private let end: Int
    private let digest: Storage.Digest?
    private var offset: Int
    private var body: HTTPResponseBody?
    private var hash: SHA256?
    private var failures = 0
    private let retries: RetryPolicy

    init(client: GCSClient, key: String, generation: Int64, range: Range<Int>, digest: Storage.Digest?) {
        self.client = client
        retries = RetryPolicy(maxAttempts: Self.maxAttempts, base: client.retryBase)
        self.key = key
        self.generation = generation
        self.digest = digest
        offset = range.lowerBound
        end = range.upperBound
        hash = digest.map { _ in SHA256() }
    }

    /// Asks for what is left.
    func start() async throws(GCSFailure) {
        let query = [
            ("alt", "media"), ("generation", String(generation)), ("ifGenerationMatch", String(generation)),
        ]
        var request = GCSRequest(.get, client.path(key), query)
        // Without it the service would decompress what is stored compressed.
        request.headers = ["Range": "bytes=\(offset)-\(end - 1)", "Accept-Encoding": "gzip"]
        let response = try await client.send(request)
        guard isWanted(response) else { throw GCSFailure(nonsense: "another range or object than was asked for") }
        body = response.body
    }

    private func isWanted(_ response: HTTPResponse) -> Bool {
        if let told = response.headers["x-goog-generation"], told != String(generation) { return false }
        // Without a range, all of it: right where all of it was asked for.
        guard let range = response.headers["Content-Range"] else {
            return response.status != 206 && offset == 0 && response.headers["Content-Length"] == String(end)
        }
        return range.hasPrefix("bytes \(offset)-\(end - 1)/")
    }

    /// The next bytes; nil at the end, after they were verified.
    func next() async throws(StorageError) -> [UInt8]? {
        while true {
            do throws(GCSFailure) {
                if let chunk = try await read() { return chunk }
                try verify()
                return nil
            } catch {
                body = nil
                failures += 1
                if error.isMissing || error.isPrecondition {
                    throw StorageError(
                        .unavailable, "the object was replaced or deleted while it was read; read it again")
                }
                let failure = error.error(bucket: client.bucket)
                guard error.isTransient, let delay = retries.delay(after: failures, error.retryAfter) else {
                    throw failure
                }
                guard (try? await Task.sleep(for: delay)) != nil else { throw .cancelled }
            }
        }
    }

    private func read() async throws(GCSFailure) -> [UInt8]? {
        guard offset < end else {
            // Read to its end, the connection can be used again.
            if let rest = body { _ = try? await rest.next() }
            body = nil
            return nil
        }
        if body == nil { try await start() }
        guard let body else { return nil }
        do throws(HTTPError) {
            guard let chunk = try await body.next() else {
                throw HTTPError(.broken, .ifIdempotent, "the body ended \(end - offset) bytes early")
            }
            guard chunk.count <= end - offset else {
                throw HTTPError(.broken, .never, "the body has more bytes than were asked for")
            }
            offset += chunk.count
            failures = 0
            hash?.update(chunk)
            return chunk
        } catch {
            throw GCSFailure(error)
        }
    }

    private func verify() throws(GCSFailure) {
        guard let digest, let hash else { return }
        let found = Storage.Digest(hash.finalize())
        guard found == digest else {
            throw GCSFailure(nonsense: "the object's bytes hash to \(found), not to its digest \(digest)")
        }
    }
}
