/// Sends HTTP requests over connections that it keeps: HTTP/2 where the server offers it, else HTTP/1.1.
///
/// One thread drives all transfers; no task's thread ever blocks. Redirects are answers like any other. Letting go of
/// the client and of every response ends the thread.
public final class HTTPClient: Sendable {
    private let driver: Driver
    private let options: HTTPOptions

    /// A client.
    ///
    /// - Throws: `unreachable` where the library or the system has no means left.
    public init(_ options: HTTPOptions = HTTPOptions()) throws(HTTPError) {
        self.options = options
        driver = try Driver(options)
    }

    deinit {
        driver.close()
    }

    /// Sends a request and returns when the head of the response is there.
    ///
    /// An answer that comes before the end of a streamed body ends the body. Cancelling the task ends the transfer.
    ///
    /// - Throws: ``HTTPError``, which says whether the request may be sent again. A status of 4xx or 5xx is no error.
    public func send(_ request: HTTPRequest) async throws(HTTPError) -> HTTPResponse {
        try request.validate()
        let transfer = Transfer(request, bufferSize: options.bufferSize)
        driver.post(.start(transfer))
        let outcome =
            if case .stream(_, let pull) = request.body {
                await headWhileFeeding(transfer, pull)
            } else {
                await head(of: transfer)
            }
        // Made in any case: letting go of it frees what a failed transfer still holds.
        let body = HTTPResponseBody(transfer, driver, of: self)
        let head = try outcome.get()
        return HTTPResponse(
            status: head.status, headers: head.headers, wasSentAgain: transfer.wasSentAgain, body: body)
    }

    /// Ends what is under way with `closed` and returns when all connections are.
    public func shutdown() async {
        driver.close()
        await driver.closed()
    }

    private func head(of transfer: Transfer) async -> Download.HeadOutcome {
        await withTaskCancellationHandler {
            await transfer.download.head(request: transfer.request)
        } onCancel: {
            driver.cancel(transfer)
        }
    }

    private func headWhileFeeding(
        _ transfer: Transfer, _ pull: @escaping HTTPBody.Pull
    ) async -> Download.HeadOutcome {
        await withTaskGroup(of: Download.HeadOutcome?.self) { group in
            group.addTask {
                await self.feed(transfer, pull)
                return nil
            }
            group.addTask { await self.head(of: transfer) }
            var outcome: Download.HeadOutcome?
            for await result in group where result != nil {
                outcome = result
                group.cancelAll()
            }
            return outcome ?? .failure(.cancelled(transfer.request))
        }
    }

    private func feed(_ transfer: Transfer, _ pull: HTTPBody.Pull) async {
        var count = 0
        do {
            while let chunk = try await pull() {
                guard !chunk.isEmpty else { continue }
                count += chunk.count
                if let size = transfer.upload.size, count > size { break }
                guard let unpauses = await transfer.upload.offer(chunk) else { return }
                if unpauses { driver.post(.unpause(transfer)) }
            }
        } catch {
            return fail(transfer, "its body threw \(error)", error)
        }
        if let size = transfer.upload.size, size != count {
            return fail(
                transfer, "its body has \(count > size ? "more" : "fewer") bytes than the \(size) announced", nil)
        }
        if transfer.upload.end() { driver.post(.unpause(transfer)) }
    }

    private func fail(_ transfer: Transfer, _ message: String, _ cause: (any Error)?) {
        let error = HTTPError(.body, .never, "\(transfer.request.summary): \(message)", cause: cause)
        if transfer.finish(.failure(error)) { driver.post(.remove(transfer)) }
    }
}
