import Encodings
import HTTP
import HTTPStorage
import Storage

/// Tries out what a server makes of conditions, on an object that is removed again: some ignore the headers in
/// silence, and a condition that is ignored is worse than none.
struct S3Probe: Sendable {
    let client: S3Client
    let root: String
    private let name = ".nats-storage-probe-" + NUID.next()

    init(client: S3Client, root: String) {
        self.client = client
        self.root = root
    }

    private enum Outcome { case done, refused, other }

    func run(_ bucket: S3Bucket) async throws(StorageError) -> S3Abilities {
        try await bucket.mapped { () async throws(S3Failure) in try await run() }
    }

    private func run() async throws(S3Failure) -> S3Abilities {
        var abilities = S3Abilities()
        do throws(S3Failure) {
            _ = try await client.head(put([]))
        } catch {
            // Who may only read needs no conditions.
            if error.code == "AccessDenied" || error.status == 403 { return abilities }
            throw error
        }
        let etag = try await client.head(S3Request(.head, root + name)).etag ?? ""
        let (right, wrong) = (ETag.quoted(etag), ETag.quoted("00000000000000000000000000000000"))
        abilities.createOnly = try await attempt(put([("if-none-match", "*")])) == .refused
        var swaps = try await attempt(put([("if-match", wrong)])) == .refused
        if swaps { swaps = try await attempt(put([("if-match", right)])) == .done }
        var removal = S3Request(.delete, root + name)
        removal.headers = [("if-match", wrong)]
        if swaps { abilities.compareAndSwap = try await attempt(removal) == .refused }
        if abilities.compareAndSwap {
            abilities.conditionalCopy = try await copiesOnCondition(right, wrong)
        }
        _ = try await client.head(S3Request(.delete, root + name))
        return abilities
    }

    /// Whether a copy to itself happens where both source and target are what they should be, and only then.
    private func copiesOnCondition(_ right: String, _ wrong: String) async throws(S3Failure) -> Bool {
        for (source, target, outcome) in [
            (wrong, right, Outcome.refused), (right, wrong, .refused), (right, right, .done),
        ] {
            var copy = put([
                ("x-amz-copy-source-if-match", source), ("if-match", target), ("x-amz-metadata-directive", "REPLACE"),
                ("x-amz-copy-source", PercentEncoding.encode("/\(client.bucket)/\(root)\(name)", keepingSlashes: true)),
            ])
            copy.body = .none
            guard try await attempt(copy) == outcome else { return false }
        }
        return true
    }

    private func put(_ headers: [(String, String)]) -> S3Request {
        var request = S3Request(.put, root + name)
        request.headers = headers
        request.body = .bytes([UInt8(ascii: "1")], digest: nil)
        request.timeout = S3Bucket.shortTimeout
        return request
    }

    private func attempt(_ request: S3Request) async throws(S3Failure) -> Outcome {
        do throws(S3Failure) {
            _ = try await client.head(request)
            return .done
        } catch {
            if error.transport != nil || error.refusal != nil { throw error }
            return error.isPrecondition ? .refused : .other
        }
    }
}
