/// The lines before a body.
struct ResponseHead: Sendable {
    var status: Int
    var headers: HTTPHeaders
}

/// Takes header lines as they come. Interim responses (1xx) are passed over, as are the trailers of a body.
struct HeadParser: Sendable {
    /// More is no answer that anybody has a use for.
    static let maximumBytes = 256 << 10

    private var current: ResponseHead?
    private var byteCount = 0
    private(set) var head: ResponseHead?

    /// Takes one line; false where it is not HTTP, or too much.
    mutating func add(_ line: UnsafeRawBufferPointer) -> Bool {
        guard head == nil else { return true }
        byteCount += line.count
        guard byteCount <= Self.maximumBytes else { return false }
        let text = line.prefix { $0 != UInt8(ascii: "\r") && $0 != UInt8(ascii: "\n") }
        if text.starts(with: "HTTP/".utf8) {
            current = Self.status(text).map { ResponseHead(status: $0, headers: HTTPHeaders()) }
            return current != nil
        }
        guard !text.isEmpty else {
            if let current, current.status >= 200 { head = current }
            current = nil
            return true
        }
        guard let colon = text.firstIndex(of: UInt8(ascii: ":")) else { return true }
        let name = text[..<colon].map(\.lowercasedASCII)
        let value = text[text.index(after: colon)...]
        current?.headers.add(String(decoding: name, as: UTF8.self), Self.trimmed(value))
        return true
    }

    private static func status(_ line: Slice<UnsafeRawBufferPointer>) -> Int? {
        let parts = line.split(separator: UInt8(ascii: " "), maxSplits: 2)
        guard parts.count >= 2, let status = Int(String(decoding: parts[1], as: UTF8.self)) else { return nil }
        return (100...999).contains(status) ? status : nil
    }

    private static func trimmed(_ value: Slice<UnsafeRawBufferPointer>) -> String {
        func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
        let start = value.drop(while: isBlank)
        let end = start.lastIndex { !isBlank($0) }.map { start.index(after: $0) } ?? start.startIndex
        return String(decoding: start[start.startIndex..<end], as: UTF8.self)
    }
}
