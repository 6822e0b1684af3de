import CCurl
import Waiting

/// libcurl's event loop. Made, run and ended on one thread: everything here is confined to it.
final class Loop {
    private static let idleHandles = 64

    private let multi: UnsafeMutableRawPointer
    private let options: HTTPOptions
    private var active: [ObjectIdentifier: EasyHandle] = [:]
    private var idle: [EasyHandle] = []
    private var waiting: WaitingTransfers

    init(_ multi: UnsafeMutableRawPointer, _ options: HTTPOptions) {
        self.multi = multi
        self.options = options
        waiting = WaitingTransfers(patience: options.connectTimeout + options.stallTimeout)
        _ = ccurl_multi_set_long(multi, CURLMOPT_MAX_HOST_CONNECTIONS, options.connectionsPerHost)
        _ = ccurl_multi_set_long(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, options.connections)
        _ = ccurl_multi_set_long(multi, CURLMOPT_MAXCONNECTS, options.connections)
        _ = ccurl_multi_set_long(multi, CURLMOPT_PIPELINING, Int(CURLPIPE_MULTIPLEX))
    }

    func run(_ driver: Driver) {
        while let commands = driver.take() {
            commands.forEach(perform)
            // What an answer wakes may run here, at the end, and send the next request.
            Burst.run { advance() }
            if driver.sleeps() { _ = curl_multi_poll(multi, nil, 0, active.isEmpty ? 60_000 : 1000, nil) }
        }
        endAll { .closed($0) }
        idle.removeAll()
        driver.end { _ = curl_multi_cleanup(multi) }
    }

    private func advance() {
        var running: Int32 = 0
        guard curl_multi_perform(multi, &running) == CURLM_OK else {
            return endAll { HTTPError(.broken, .ifIdempotent, "\($0.summary): libcurl failed") }
        }
        reap()
        for transfer in waiting.takeOverdue(at: .now) {
            remove(transfer)
            transfer.finish(.failure(.noConnection(transfer.request)))
        }
    }

    private func perform(_ command: Driver.Command) {
        switch command {
        case .start(let transfer): start(transfer)
        case .unpause(let transfer): active[ObjectIdentifier(transfer)]?.unpause()
        case .remove(let transfer): remove(transfer)
        }
    }

    private func start(_ transfer: Transfer) {
        guard let handle = idle.popLast() ?? EasyHandle() else {
            transfer.finish(.failure(HTTPError(.broken, .safe, "\(transfer.request.summary): out of memory")))
            return
        }
        let code = handle.prepare(transfer, options)
        guard code == CURLE_OK, curl_multi_add_handle(multi, handle.pointer) == CURLM_OK else {
            transfer.finish(.failure(HTTPError(code, transfer.request, wasSent: false, detail: handle.detail)))
            recycle(handle)
            return
        }
        active[ObjectIdentifier(transfer)] = handle
        waiting.add(transfer, at: .now)
    }

    /// Takes the results of finished transfers.
    private func reap() {
        var left: Int32 = 0
        while let message = curl_multi_info_read(multi, &left) {
            guard message.pointee.msg == CURLMSG_DONE, let easy = message.pointee.easy_handle,
                let transfer = EasyHandle.transfer(of: easy), let handle = active[ObjectIdentifier(transfer)]
            else { continue }
            let code = ccurl_message_result(message)
            let end: Result<Void, HTTPError> =
                code == CURLE_OK
                ? .success(())
                : .failure(HTTPError(code, transfer.request, wasSent: handle.wasSent, detail: handle.detail))
            remove(transfer)
            transfer.finish(end)
        }
    }

    /// Frees the handle; a connection in the middle of a transfer goes with it.
    private func remove(_ transfer: Transfer) {
        guard let handle = active.removeValue(forKey: ObjectIdentifier(transfer)) else { return }
        _ = curl_multi_remove_handle(multi, handle.pointer)
        // One that never had a connection keeps its buffer, and refuses to have its size set again.
        if transfer.hasBegun { recycle(handle) }
        waiting.remove(transfer, at: .now)
    }

    private func recycle(_ handle: EasyHandle) {
        handle.reset()
        if idle.count < Self.idleHandles { idle.append(handle) }
    }

    private func endAll(_ error: (HTTPRequest) -> HTTPError) {
        for transfer in active.values.compactMap(\.transfer) {
            remove(transfer)
            transfer.finish(.failure(error(transfer.request)))
        }
    }
}
