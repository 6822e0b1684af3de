import CCurl
import Waiting

/// Sets options of an easy handle and remembers the first that failed.
struct Setup {
    private let easy: UnsafeMutableRawPointer
    private(set) var code = CURLE_OK

    init(_ easy: UnsafeMutableRawPointer) {
        self.easy = easy
    }

    mutating func add(_ code: CURLcode) {
        if self.code == CURLE_OK { self.code = code }
    }

    mutating func set(_ option: CURLoption, _ value: Int) { add(ccurl_set_long(easy, option, value)) }
    mutating func set(_ option: CURLoption, _ value: String) { add(ccurl_set_string(easy, option, value)) }
    mutating func set(_ option: CURLoption, pointer: UnsafeMutableRawPointer?) {
        add(ccurl_set_pointer(easy, option, pointer))
    }

    mutating func general(_ options: HTTPOptions, _ request: HTTPRequest) {
        set(CURLOPT_NOSIGNAL, 1)
        // Whoever gives up on a name that is still looked up would have this thread, and so all transfers, wait for it.
        set(CURLOPT_QUICK_EXIT, 1)
        set(CURLOPT_PATH_AS_IS, 1)
        set(CURLOPT_FOLLOWLOCATION, 0)
        set(CURLOPT_PROTOCOLS_STR, "http,https")
        set(CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS)
        set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
        set(CURLOPT_TCP_KEEPALIVE, 1)
        set(CURLOPT_USERAGENT, options.userAgent)
        // A directory of certificates is read anew for each connection, and keeps the library's cache from working.
        set(CURLOPT_CAPATH, pointer: nil)
        if let file = options.certificateAuthorities { set(CURLOPT_CAINFO, file) }
        if let proxy = request.usesProxy ? options.proxy : "" { set(CURLOPT_PROXY, proxy) }
        set(CURLOPT_CONNECTTIMEOUT_MS, Int(options.connectTimeout.milliseconds))
        set(CURLOPT_LOW_SPEED_LIMIT, 1)
        set(CURLOPT_LOW_SPEED_TIME, Int((options.stallTimeout.milliseconds + 999) / 1000))
        if let timeout = request.timeout { set(CURLOPT_TIMEOUT_MS, Int(timeout.milliseconds)) }
    }

    mutating func method(_ request: HTTPRequest) {
        switch request.body {
        case .none where request.method == .head: return set(CURLOPT_NOBODY, 1)
        case .none:
            set(CURLOPT_HTTPGET, 1)
            // Answers to other requests are small, and a buffer is made for each.
            set(CURLOPT_BUFFERSIZE, Self.largeBuffer)
            if request.method == .get { return }
        case .bytes(let bytes) where Self.small.contains(bytes.count) && !request.expectsContinue: wholeBody(bytes)
        case .bytes(let bytes): upload(bytes.count)
        case .stream(let size, _): upload(size)
        }
        set(CURLOPT_CUSTOMREQUEST, request.method.rawValue)
    }

    private static let largeBuffer = 128 << 10

    /// Of a body of so many bytes the library makes one piece with the head: one packet, and one wake-up of the server.
    private static let small = 1..<(64 << 10)

    private mutating func wholeBody(_ bytes: [UInt8]) {
        add(ccurl_set_size(easy, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(bytes.count)))
        // Copied: it stays until the handle is reset.
        bytes.withUnsafeBytes { bytes in
            add(ccurl_set_bytes(easy, CURLOPT_COPYPOSTFIELDS, bytes.baseAddress))
        }
    }

    private mutating func upload(_ size: Int?) {
        set(CURLOPT_UPLOAD, 1)
        set(CURLOPT_UPLOAD_BUFFERSIZE, Self.largeBuffer)
        add(ccurl_set_size(easy, CURLOPT_INFILESIZE_LARGE, curl_off_t(size ?? -1)))
    }

    /// - Parameter context: an unretained ``Transfer``, which the handle's owner keeps until the handle is reset.
    mutating func callbacks(_ context: UnsafeMutableRawPointer) {
        set(CURLOPT_PRIVATE, pointer: context)
        set(CURLOPT_WRITEDATA, pointer: context)
        set(CURLOPT_HEADERDATA, pointer: context)
        set(CURLOPT_READDATA, pointer: context)
        set(CURLOPT_SEEKDATA, pointer: context)
        set(CURLOPT_PREREQDATA, pointer: context)
        add(ccurl_set_data_callback(easy, CURLOPT_WRITEFUNCTION, Self.wrote))
        add(ccurl_set_data_callback(easy, CURLOPT_HEADERFUNCTION, Self.header))
        add(ccurl_set_data_callback(easy, CURLOPT_READFUNCTION, Self.reads))
        add(ccurl_set_seek_callback(easy, Self.seeks))
        add(ccurl_set_request_callback(easy, Self.begins))
    }

    // The library calls these on the driver's thread, inside perform, pause and remove.

    private static let wrote: ccurl_data_callback = { bytes, size, count, context in
        guard let bytes, let context else { return 0 }
        let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
        switch transfer.download.write(UnsafeRawBufferPointer(start: bytes, count: size * count)) {
        case .all: return size * count
        case .none: return ccurl_write_pause()
        case .refused: return 0
        }
    }

    private static let header: ccurl_data_callback = { bytes, size, count, context in
        guard let bytes, let context else { return 0 }
        let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
        let line = UnsafeRawBufferPointer(start: bytes, count: size * count)
        return transfer.download.header(line) ? size * count : 0
    }

    private static let reads: ccurl_data_callback = { bytes, size, count, context in
        guard let bytes, let context else { return ccurl_read_abort() }
        let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
        switch transfer.upload.read(into: UnsafeMutableRawBufferPointer(start: bytes, count: size * count)) {
        case .bytes(let count): return count
        case .end: return 0
        case .later: return ccurl_read_pause()
        case .refused: return ccurl_read_abort()
        }
    }

    private static let begins: ccurl_request_callback = { context, _, _, _, _ in
        if let context { Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue().begins() }
        return CURL_PREREQFUNC_OK
    }

    private static let seeks: ccurl_seek_callback = { context, offset, origin in
        guard let context, origin == SEEK_SET else { return CURL_SEEKFUNC_CANTSEEK }
        let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
        return transfer.upload.seek(to: Int(offset)) ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_CANTSEEK
    }
}
