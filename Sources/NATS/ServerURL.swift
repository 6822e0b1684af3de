/// A server's URL as people write it: `nats://host`, or `host` alone.
package enum ServerURL {
    /// The URLs of a text that holds one, or several with commas between them. A comma that is part of a password separates
    /// nothing: what follows it has an @, and no scheme of its own.
    package static func list(_ text: String) -> [String] {
        var urls: [Substring] = []
        for part in text.split(separator: ",").reversed() {
            if let next = urls.last, next.contains("@"), !next.contains("://"), !part.contains("@") {
                urls[urls.count - 1] = "\(part),\(next)"
            } else {
                urls.append(part)
            }
        }
        return urls.reversed().compactMap { part in
            guard let first = part.firstIndex(where: { !$0.isWhitespace }),
                let last = part.lastIndex(where: { !$0.isWhitespace })
            else { return nil }
            return String(part[first...last])
        }
    }

    /// The URL without the user, password or token that it may hold, which belong into no message.
    package static func withoutCredentials(_ url: String) -> String {
        guard let at = url.lastIndex(of: "@") else { return url }
        let scheme = url.firstRange(of: "://").map { url[..<$0.upperBound] } ?? ""
        return String(scheme + url[url.index(after: at)...])
    }

    /// Whether it names a host by a scheme that the library knows, or without one.
    package static func isValid(_ url: String) -> Bool {
        var rest = Substring(withoutCredentials(url))
        if let mark = rest.firstRange(of: "://") {
            guard ["nats", "tls"].contains(rest[..<mark.lowerBound].lowercased()) else { return false }
            rest = rest[mark.upperBound...]
        }
        if rest.hasSuffix("/") { rest.removeLast() }
        // The colons within brackets are an address's.
        let afterHost = rest.hasPrefix("[") ? rest.firstIndex(of: "]") : rest.startIndex
        guard let afterHost, let colon = rest[afterHost...].firstIndex(of: ":") else {
            return isHost(rest)
        }
        return isHost(rest[..<colon]) && UInt16(rest[rest.index(after: colon)...]).map { $0 > 0 } ?? false
    }

    private static func isHost(_ text: Substring) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7f && $0 != UInt8(ascii: "/") }
    }

    /// Whether the URL asks for TLS.
    static func isSecure(_ url: String) -> Bool { url.lowercased().hasPrefix("tls://") }
}
