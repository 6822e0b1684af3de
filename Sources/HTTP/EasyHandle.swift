import CCurl

/// Owns one of libcurl's easy handles and what a transfer lends to it. Confined to the driver's thread.
final class EasyHandle {
    let pointer: UnsafeMutableRawPointer
    /// Kept alive here while the library's callbacks point at it.
    private(set) var transfer: Transfer?
    private var headers: UnsafeMutablePointer<curl_slist>?
    private let message = UnsafeMutablePointer<CChar>.allocate(capacity: Int(CURL_ERROR_SIZE))

    init?() {
        guard let pointer = curl_easy_init() else {
            message.deallocate()
            return nil
        }
        self.pointer = pointer
        message.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
    }

    deinit {
        curl_easy_cleanup(pointer)
        curl_slist_free_all(headers)
        message.deallocate()
    }

    /// The transfer that a handle works for.
    static func transfer(of easy: UnsafeMutableRawPointer) -> Transfer? {
        var context: UnsafeMutableRawPointer?
        guard ccurl_get_pointer(easy, CURLINFO_PRIVATE, &context) == CURLE_OK, let context else { return nil }
        return Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
    }

    /// The library's sentence about the last failure.
    var detail: String {
        String(cString: message)
    }

    /// Whether any byte of the request left.
    var wasSent: Bool {
        var count = 0
        return ccurl_get_long(pointer, CURLINFO_REQUEST_SIZE, &count) != CURLE_OK || count > 0
    }

    /// Goes on with whatever has room or bytes again.
    func unpause() {
        _ = curl_easy_pause(pointer, CURLPAUSE_CONT)
    }

    /// Makes it as new; connections stay.
    func reset() {
        curl_easy_reset(pointer)
        curl_slist_free_all(headers)
        headers = nil
        transfer = nil
        message.pointee = 0
    }

    /// Sets it up for a transfer; the first failure, or `CURLE_OK`.
    func prepare(_ transfer: Transfer, _ options: HTTPOptions) -> CURLcode {
        self.transfer = transfer
        let request = transfer.request
        var setup = Setup(pointer)
        setup.set(CURLOPT_ERRORBUFFER, pointer: UnsafeMutableRawPointer(message))
        setup.set(CURLOPT_URL, request.url)
        setup.general(options, request)
        setup.method(request)
        setup.callbacks(Unmanaged.passUnretained(transfer).toOpaque())
        setup.add(prepareHeaders(request))
        return setup.code
    }

    private func prepareHeaders(_ request: HTTPRequest) -> CURLcode {
        var lines = request.headers.fields.map { $0.value.isEmpty ? $0.name + ";" : "\($0.name): \($0.value)" }
        // Unasked for, the library would add its own and wait a second for servers that ignore it.
        lines.append(request.expectsContinue ? "Expect: 100-continue" : "Expect:")
        if request.headers["Content-Type"] == nil { lines.append("Content-Type:") }
        if request.headers["Accept"] == nil { lines.append("Accept:") }
        for line in lines {
            guard let longer = curl_slist_append(headers, line) else { return CURLE_OUT_OF_MEMORY }
            headers = longer
        }
        return ccurl_set_pointer(pointer, CURLOPT_HTTPHEADER, headers)
    }
}
