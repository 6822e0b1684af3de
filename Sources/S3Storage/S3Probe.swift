import Encodings
import HTTP
import HTTPStorage
import Storage

/// Tries out what a server makes of conditions, on objects that are removed again: some ignore the headers in
/// silence, or don't look at them again when a write ends, and a condition that does not hold is worse than none.
struct S3Probe: Sendable {
    /// Both probes' objects are made under such names.
    static func newName() -> String { ".nats-storage-probe-" + NUID.next() }

    private let client: S3Client
    private let key: String
    private var overlapKey: String { key + "-overlap" }

    init(client: S3Client, root: String) {
        self.client = client
        key = root + Self.newName()
    }

    enum Outcome: Sendable { case done, refused, other }

    func run(_ bucket: S3Bucket) async throws(StorageError) -> S3Abilities {
        try await bucket.mapped { () async throws(S3Failure) in try await run() }
    }

    private func run() async throws(S3Failure) -> S3Abilities {
        do throws(S3Failure) {
            _ = try await client.head(put([]))
        } catch {
            // Who may only read needs no conditions.
            if error.code == "AccessDenied" || error.status == 403 { return S3Abilities() }
            throw error
        }
        let found: Result<S3Abilities, S3Failure>
        do throws(S3Failure) { found = .success(try await tryOut()) } catch { found = .failure(error) }
        for key in [key, overlapKey] { _ = try? await client.head(S3Request(.delete, key)) }
        return try found.get()
    }

    private func tryOut() async throws(S3Failure) -> S3Abilities {
        var abilities = S3Abilities()
        let right = try await condition(on: key)
        let wrong = ETag.quoted("00000000000000000000000000000000")
        abilities.createOnly = try await attempt(put([("if-none-match", "*")])) == .refused
        if abilities.createOnly { abilities.createOnly = try await oneOfTwo([("if-none-match", "*")], "2") }
        var swaps = try await attempt(put([("if-match", wrong)])) == .refused
        if swaps { swaps = try await attempt(put([("if-match", right)])) == .done }
        var removal = S3Request(.delete, key)
        removal.headers = [("if-match", wrong)]
        if swaps { swaps = try await attempt(removal) == .refused }
        if swaps {
            _ = try await client.head(put([], to: overlapKey))
            swaps = try await oneOfTwo([("if-match", try await condition(on: overlapKey))], "3")
        }
        abilities.compareAndSwap = swaps
        if swaps { abilities.conditionalCopy = try await copiesOnCondition(right, wrong) }
        return abilities
    }

    private func condition(on key: String) async throws(S3Failure) -> String {
        ETag.quoted(try await client.head(S3Request(.head, key)).etag ?? "")
    }

    private func oneOfTwo(_ condition: [(String, String)], _ byte: Unicode.Scalar) async throws(S3Failure) -> Bool {
        try await S3OverlapProbe(self, overlapKey, condition, writing: UInt8(ascii: byte)).run()
    }

    /// Whether a copy to itself happens where both source and target are what they should be, and only then.
    private func copiesOnCondition(_ right: String, _ wrong: String) async throws(S3Failure) -> Bool {
        for (source, target, outcome) in [
            (wrong, right, Outcome.refused), (right, wrong, .refused), (right, right, .done),
        ] {
            var copy = put([
                ("x-amz-copy-source-if-match", source), ("if-match", target), ("x-amz-metadata-directive", "REPLACE"),
                ("x-amz-copy-source", PercentEncoding.encode("/\(client.bucket)/\(key)", keepingSlashes: true)),
            ])
            copy.body = .none
            guard try await attempt(copy) == outcome else { return false }
        }
        return true
    }

    func put(_ headers: [(String, String)], to key: String? = nil) -> S3Request {
        var request = S3Request(.put, key ?? self.key)
        request.headers = headers
        request.body = .bytes([UInt8(ascii: "1")], digest: nil)
        request.timeout = S3Bucket.shortTimeout
        return request
    }

    /// - Throws: what says nothing about conditions.
    func attempt(_ request: S3Request) async throws(S3Failure) -> Outcome {
        do throws(S3Failure) {
            _ = try await client.head(request)
            return .done
        } catch {
            if error.transport != nil || error.refusal != nil { throw error }
            return error.isPrecondition ? .refused : .other
        }
    }
}
