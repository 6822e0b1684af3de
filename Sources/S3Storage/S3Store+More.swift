import Encodings
import Crypto
public import FoundationEssentials
import HTTP
import HTTPStorage
public import Storage

/// What S3 can do beyond a store.
extension S3Store {
    /// What a presigned URL is for.
    public enum PresignedMethod: String, Sendable {
        /// To read it.
        case get = "GET"
        /// To store it.
        case put = "PUT"
    }

    /// A URL by which whoever holds it can get or put the object, without credentials, for up to seven days.
    ///
    /// - Throws: `invalid` for another lifetime, `unsupported` without credentials.
    public func presignedURL(
        _ method: PresignedMethod, _ key: ObjectKey, lifetime: Duration
    ) async throws(StorageError) -> String {
        let seconds = lifetime.components.seconds
        guard (1...604_800).contains(seconds) else {
            throw StorageError(.invalid, "a presigned URL lives 1 s…7 days, not \(lifetime)", key: key.rawValue)
        }
        return try await bucket.client.presigned(
            method == .get ? .get : .put, try bucket.fullKey(key), query: [], seconds: Int(seconds))
    }

    /// Copies an object within the bucket, on the server; replaces what is under `target`.
    ///
    /// - Throws: `notFound`, `unsupported` over 5 GiB, `preconditionFailed` where the source was replaced meanwhile.
    @discardableResult
    public func copy(_ source: ObjectKey, to target: ObjectKey) async throws(StorageError) -> ObjectInfo {
        try await during(.put, target) { () async throws(StorageError) in
            guard let found = try await bucket.head(source) else { throw StorageError.notFound(source) }
            return try await bucket.copy(found, to: target, found.attributes)
        }
    }

    /// Deletes many objects, a thousand at a request; what could not be deleted, and why. Absent ones count as deleted.
    public func delete(_ keys: [ObjectKey]) async throws(StorageError) -> [ObjectKey: StorageError] {
        var failures: [ObjectKey: StorageError] = [:]
        var rest = keys[...]
        while !rest.isEmpty {
            let some = rest.prefix(1000)
            rest = rest.dropFirst(1000)
            do throws(StorageError) {
                failures.merge(try await deleteTogether(some)) { $1 }
            } catch {
                throw error.during(.delete)
            }
        }
        return failures
    }

    private func deleteTogether(_ keys: ArraySlice<ObjectKey>) async throws(StorageError) -> [ObjectKey: StorageError] {
        var names: [String: ObjectKey] = [:]
        var text = "<Delete><Quiet>true</Quiet>"
        for key in keys {
            let full = try bucket.fullKey(key)
            names[full] = key
            text += "<Object><Key>\(XMLDocument.escape(full))</Key></Object>"
        }
        let bytes = Array((text + "</Delete>").utf8)
        var request = S3Request(.post, query: [("delete", "")])
        request.headers = [
            ("content-md5", Data(Insecure.MD5.hash(data: bytes)).base64EncodedString()),
            ("content-type", "application/xml"),
        ]
        request.body = .bytes(bytes, digest: Storage.Digest(of: bytes))
        let (document, _) = try await bucket.mapped { () async throws(S3Failure) in
            try await bucket.client.document(request)
        }
        var failures: [ObjectKey: StorageError] = [:]
        for error in document.all("Error") {
            guard let key = error.text("Key").flatMap({ names[$0] }) else { continue }
            var failure = S3Failure(nonsense: error.text("Message") ?? "")
            failure.code = error.text("Code") ?? ""
            failures[key] = failure.error(bucket: bucket.configuration.bucket).during(.delete, key: key)
        }
        return failures
    }

    /// Aborts multipart uploads beneath the prefix that began before `date`: what a crash may have left. How many
    /// are gone now.
    @discardableResult
    public func abortUploads(before date: Date) async throws(StorageError) -> Int {
        var count = 0
        var markers: [(String, String)] = []
        let root = bucket.configuration.prefix
        repeat {
            // Not asked for encoded keys: SeaweedFS says that they are, and sends them as they stand.
            let query = [("uploads", ""), ("prefix", root)] + markers
            let (document, _) = try await bucket.mapped { () async throws(S3Failure) in
                try await bucket.client.document(S3Request(.get, query: query))
            }
            let isEncoded = document.text("EncodingType") == "url"
            for upload in document.all("Upload") {
                guard let text = upload.text("Key"), let id = upload.text("UploadId"),
                    let key = isEncoded ? PercentEncoding.decode(text, plusIsSpace: true) : text,
                    let begun = ServerTime.iso(upload.text("Initiated")), begun < date
                else { continue }
                if await S3Multipart.abort(bucket.client, key, id) { count += 1 }
            }
            markers = Self.markers(document, id: ("upload-id-marker", "NextUploadIdMarker"), after: markers)
        } while !markers.isEmpty
        return count
    }
}
