import Synchronization

/// One request and its response, shared by the caller and the driver's thread.
final class Transfer: Sendable {
    let request: HTTPRequest
    /// The request's, worked out once.
    let origin: String
    let upload: Upload
    let download: Download
    private let sendings = Atomic(0)

    /// Whether it was sent.
    var hasBegun: Bool { sendings.load(ordering: .relaxed) > 0 }

    /// Whether it was sent more than once.
    var wasSentAgain: Bool { sendings.load(ordering: .relaxed) > 1 }

    init(_ request: HTTPRequest, bufferSize: Int) {
        self.request = request
        origin = request.origin
        upload = Upload(request.body)
        download = Download(capacity: bufferSize)
    }

    /// It goes out, for the first time or again: where a connection that was used before dies without an answer, the
    /// library takes another.
    func begins() {
        sendings.add(1, ordering: .relaxed)
    }

    /// Ends it for the caller; false where it had ended.
    @discardableResult
    func finish(_ end: Result<Void, HTTPError>) -> Bool {
        upload.close()
        return download.finish(end, request: request)
    }
}
