import Encodings

/// A request for a page: what was asked for, no body.
struct WebRequest: Sendable, Hashable {
    /// Longer heads are refused.
    static let maxHead = 8 << 10

    /// Why a head is refused, and with which status.
    struct Refusal: Error, Hashable {
        let status: Int
        var allow: String?
    }

    let isHead: Bool
    /// Decoded.
    let path: String
    /// Decoded; of several values of one name the last.
    let query: [String: String]
    /// The name in the `Host` header, without its port.
    let host: String?

    /// Reads a request line and headers, which end with an empty line.
    init(head: [UInt8]) throws(Refusal) {
        guard let text = String(validating: head, as: UTF8.self) else { throw Refusal(status: 400) }
        // One character in Swift: the line break that HTTP asks for.
        var lines = text.split(omittingEmptySubsequences: false) { $0 == "\r\n" || $0 == "\n" }[...]
        let parts = lines.removeFirst().split(separator: " ", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[2].hasPrefix("HTTP/") else { throw Refusal(status: 400) }
        guard parts[2] == "HTTP/1.1" || parts[2] == "HTTP/1.0" else { throw Refusal(status: 505) }
        guard parts[0] == "GET" || parts[0] == "HEAD" else { throw Refusal(status: 405, allow: "GET, HEAD") }
        isHead = parts[0] == "HEAD"
        (path, query) = try Self.target(parts[1])
        host = try Self.host(lines)
        if parts[2] == "HTTP/1.1", host == nil { throw Refusal(status: 400) }
    }

    private static func target(_ text: Substring) throws(Refusal) -> (String, [String: String]) {
        guard text.hasPrefix("/") else { throw Refusal(status: 400) }
        let parts = text.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        guard let path = PercentEncoding.decode(parts[0]) else { throw Refusal(status: 400) }
        var query: [String: String] = [:]
        for item in parts.dropFirst().first?.split(separator: "&") ?? [] {
            let pair = item.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = PercentEncoding.decode(pair[0], plusIsSpace: true),
                let value = PercentEncoding.decode(pair.count == 2 ? pair[1] : "", plusIsSpace: true)
            else { throw Refusal(status: 400) }
            query[name] = value
        }
        return (path, query)
    }

    private static func host(_ lines: ArraySlice<Substring>) throws(Refusal) -> String? {
        var hosts: [String] = []
        for line in lines where !line.isEmpty {
            guard let colon = line.firstIndex(of: ":"), colon != line.startIndex, line.first != " ", line.first != "\t"
            else { throw Refusal(status: 400) }
            guard line[..<colon].lowercased() == "host" else { continue }
            hosts.append(line[line.index(after: colon)...].split(separator: " ").joined())
        }
        guard hosts.count <= 1 else { throw Refusal(status: 400) }
        return hosts.first.map(Self.withoutPort)
    }

    private static func withoutPort(_ host: String) -> String {
        if host.hasPrefix("[") { return String(host.dropFirst().prefix { $0 != "]" }) }
        return String(host.prefix { $0 != ":" }).lowercased()
    }
}
