/// One request and its response, shared by the caller and the driver's thread.
final class Transfer: Sendable {
    let request: HTTPRequest
    let upload: Upload
    let download: Download

    init(_ request: HTTPRequest, bufferSize: Int) {
        self.request = request
        upload = Upload(request.body)
        download = Download(capacity: bufferSize)
    }

    /// Ends it for the caller; false where it had ended.
    @discardableResult
    func finish(_ end: Result<Void, HTTPError>) -> Bool {
        upload.close()
        return download.finish(end, request: request)
    }
}
