import HTTP
import HTTPStorage
import Storage

/// Tries out in which order a server lists, on two objects that are removed again. Some walk folder by folder and pass
/// over what lies below where they start; their name is no help, since a proxy may keep it to itself.
struct S3OrderProbe: Sendable {
    let bucket: S3Bucket
    private let name = S3Probe.newName()

    init(_ bucket: S3Bucket) {
        self.bucket = bucket
    }

    /// Whether it is that of UTF-8 bytes; not, where it can't be tried out.
    func run() async throws(StorageError) -> Bool {
        // By folders, the second comes first.
        let names = [name + "-x", name + "/x"]
        do throws(StorageError) {
            for name in names { try await put(name) }
            let all = try await listed(after: name)
            let second = try await listed(after: names[0])
            for name in names { await remove(name) }
            return all == names && second == [names[1]]
        } catch {
            for name in names { await remove(name) }
            if error.errorClass == .transient { throw error }
            return false
        }
    }

    private func listed(after start: String) async throws(StorageError) -> [String] {
        let list = ListRequest(prefix: name, limit: 10, startAfter: start)
        return try await bucket.listPart(list).entries.map(\.name)
    }

    private func put(_ name: String) async throws(StorageError) {
        var request = request(.put, name)
        request.body = .bytes([UInt8(ascii: "1")], digest: nil)
        try await send(request)
    }

    private func remove(_ name: String) async {
        // What stays does no harm.
        try? await send(request(.delete, name))
    }

    private func send(_ request: S3Request) async throws(StorageError) {
        try await bucket.mapped { () async throws(S3Failure) in _ = try await bucket.client.head(request) }
    }

    private func request(_ method: HTTPRequest.Method, _ name: String) -> S3Request {
        var request = S3Request(method, bucket.configuration.prefix + name)
        request.timeout = S3Bucket.shortTimeout
        return request
    }
}
