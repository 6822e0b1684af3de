/// A response: its head at once, its body as it is pulled.
public struct HTTPResponse: Sendable {
    /// The status code, 200…599 from a server that keeps to HTTP.
    public let status: Int
    /// Header fields, names in lower case.
    public let headers: HTTPHeaders
    /// Whether the request was sent more than once, since a connection died without an answer: the server may have acted
    /// on it before it gave this one.
    public let wasSentAgain: Bool
    /// The body.
    public let body: HTTPResponseBody
}

/// A response's bytes, pulled by one reader. A reader that rests holds the server back; letting go ends the transfer.
public final class HTTPResponseBody: Sendable {
    private let transfer: Transfer
    private let driver: Driver
    /// The client ends its transfers when nobody holds it any more.
    private let client: HTTPClient

    init(_ transfer: Transfer, _ driver: Driver, of client: HTTPClient) {
        self.transfer = transfer
        self.driver = driver
        self.client = client
    }

    deinit {
        driver.cancel(transfer)
    }

    /// What has come since the last call, never empty; nil after the end.
    ///
    /// - Throws: where the body broke, after all bytes that came before; `cancelled` where the task is.
    public func next() async throws(HTTPError) -> [UInt8]? {
        let outcome = await withTaskCancellationHandler {
            await transfer.download.next()
        } onCancel: {
            driver.cancel(transfer)
        }
        let piece = try outcome.get()
        if piece.unpauses { driver.post(.unpause(transfer)) }
        return piece.bytes
    }

    /// The whole body.
    ///
    /// - Throws: `tooLarge` as soon as there are more than `limit` bytes.
    public func collect(upTo limit: Int) async throws(HTTPError) -> [UInt8] {
        var bytes: [UInt8] = []
        while let chunk = try await next() {
            guard bytes.count + chunk.count <= limit else {
                driver.cancel(transfer)
                throw HTTPError(
                    .tooLarge, .never, "\(transfer.request.summary): the response has more than \(limit) bytes")
            }
            if bytes.isEmpty { bytes = chunk } else { bytes += chunk }
        }
        return bytes
    }
}
