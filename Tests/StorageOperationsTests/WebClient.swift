import Foundation
import TestSupport

/// A connection to the HTTP port, byte for byte.
final class WebClient: Sendable {
    private let descriptor: Int32

    init(_ port: Int) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var room: Int32 = 4096
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &room, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        address.sin_port = UInt16(port).bigEndian
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard connected else { throw TestFailure("the HTTP port \(port) does not answer") }
    }

    deinit {
        close(descriptor)
    }

    /// Sends what the peer takes; whether that was all.
    @discardableResult
    func send(_ bytes: [UInt8]) -> Bool {
        Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
    }

    /// What comes next; empty at the end.
    func receive() async -> [UInt8] {
        let descriptor = descriptor
        return await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                var ready = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                var buffer = [UInt8](repeating: 0, count: 64 << 10)
                let count = poll(&ready, 1, 20_000) > 0 ? recv(descriptor, &buffer, buffer.count, 0) : 0
                continuation.resume(returning: Array(buffer.prefix(max(0, count))))
            }
        }
    }

    /// Sends `request` and receives until the peer ends.
    func exchange(_ request: String) async throws -> [UInt8] {
        send(Array(request.utf8))
        var answer: [UInt8] = []
        while true {
            let bytes = await receive()
            if bytes.isEmpty { return answer }
            answer += bytes
        }
    }
}

/// A reply, taken apart.
struct WebAnswer: Sendable {
    let status: Int
    let headers: [String: String]
    let body: String

    init(_ bytes: [UInt8]) throws {
        let text = String(decoding: bytes, as: UTF8.self)
        guard let end = text.firstRange(of: "\r\n\r\n") else { throw TestFailure("no reply: “\(text)”") }
        let lines = text[..<end.lowerBound].components(separatedBy: "\r\n")
        let parts = lines[0].split(separator: " ")
        guard parts.count >= 3, parts[0] == "HTTP/1.1", let status = Int(parts[1]) else {
            throw TestFailure("no status line: \(lines[0])")
        }
        self.status = status
        let pairs = lines.dropFirst().map { line in
            let colon = line.firstIndex(of: ":") ?? line.endIndex
            return (line[..<colon].lowercased(), line[colon...].dropFirst().trimmingCharacters(in: .whitespaces))
        }
        headers = Dictionary(pairs) { $1 }
        body = String(text[end.upperBound...])
    }

    var json: [String: Any] {
        get throws { try JSONSerialization.jsonObject(with: Data(body.utf8)) as? [String: Any] ?? [:] }
    }
}
