/// What a request is answered with; the connection ends after it.
struct WebResponse: Sendable {
    enum Body: Sendable {
        case bytes([UInt8])
        /// Chunks as they come; ends with the stream, or with the peer.
        case stream(AsyncStream<[UInt8]>)
    }

    var status = 200
    var contentType: String
    var headers: [(String, String)] = []
    var body: Body

    init(_ status: Int = 200, _ contentType: String, _ body: Body) {
        self.status = status
        self.contentType = contentType
        self.body = body
    }

    static func text(_ text: String, status: Int = 200) -> WebResponse {
        WebResponse(status, "text/plain; charset=utf-8", .bytes(Array(text.utf8)))
    }

    static func json(_ bytes: [UInt8], status: Int = 200) -> WebResponse {
        WebResponse(status, "application/json", .bytes(bytes))
    }

    /// The answer to what can't be understood or done.
    static func failure(_ status: Int) -> WebResponse { text("\(status) \(reason(status))\n", status: status) }

    init(_ refusal: WebRequest.Refusal) {
        self = .failure(refusal.status)
        if let allow = refusal.allow { headers.append(("Allow", allow)) }
    }

    /// Status line and headers.
    var head: [UInt8] {
        var text = "HTTP/1.1 \(status) \(Self.reason(status))\r\nContent-Type: \(contentType)\r\n"
        if case .bytes(let bytes) = body { text += "Content-Length: \(bytes.count)\r\n" }
        let always = [
            ("Cache-Control", "no-store"), ("Connection", "close"), ("X-Content-Type-Options", "nosniff"),
            ("Cross-Origin-Resource-Policy", "same-origin"), ("Referrer-Policy", "no-referrer"),
        ]
        for (name, value) in always + headers { text += "\(name): \(value)\r\n" }
        return Array((text + "\r\n").utf8)
    }

    private static func reason(_ status: Int) -> String {
        switch status {
        case 200: "OK"
        case 400: "Bad Request"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 408: "Request Timeout"
        case 421: "Misdirected Request"
        case 431: "Request Header Fields Too Large"
        case 503: "Service Unavailable"
        case 505: "HTTP Version Not Supported"
        default: "Error"
        }
    }
}
