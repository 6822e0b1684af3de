import CNATS
import Glibc

/// A message's header block as it stands on the wire: `NATS/1.0[ status[ text]]`, then lines of `Name: value`.
struct HeaderBlock {
    private(set) var headers = NATSHeaders()
    private(set) var status: Int?
    private(set) var statusDescription: String?

    private static let prefix = Array("NATS/1.0".utf8)

    /// What makes no sense is left out, and said by `isMalformed`: a line, or the whole block where it does not begin as
    /// one. No bytes are no headers.
    init(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.starts(with: Self.prefix) else {
            headers.isMalformed = !bytes.isEmpty
            return
        }
        var start = Self.prefix.count
        var isFirst = true
        while start < bytes.count {
            let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
            let line = Self.trimmed(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
            if isFirst { readStatus(line) } else { readField(line) }
            isFirst = false
            start = end + 1
        }
    }

    private mutating func readStatus(_ line: UnsafeRawBufferPointer) {
        guard let text = String(validating: line, as: UTF8.self), !text.isEmpty else { return }
        let parts = text.split(separator: " ", maxSplits: 1)
        status = parts.first.flatMap { Int($0) }
        statusDescription = parts.count > 1 ? String(parts[1]) : nil
    }

    private mutating func readField(_ line: UnsafeRawBufferPointer) {
        guard !line.isEmpty else { return }
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > 0,
            let name = String(validating: line[..<colon], as: UTF8.self),
            let value = String(
                validating: Self.trimmed(UnsafeRawBufferPointer(rebasing: line[(colon + 1)...])), as: UTF8.self)
        else { return headers.isMalformed = true }
        headers.append(name, value)
    }

    /// Without the white space around it, which is no part of a header's value.
    private static func trimmed(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0d }
        guard let first = bytes.firstIndex(where: { !isSpace($0) }),
            let last = bytes.lastIndex(where: { !isSpace($0) })
        else { return UnsafeRawBufferPointer(rebasing: bytes[..<0]) }
        return UnsafeRawBufferPointer(rebasing: bytes[first...last])
    }

    /// The first value under `name` alone.
    static func first(_ name: String, in bytes: UnsafeRawBufferPointer) -> String? {
        guard bytes.starts(with: prefix) else { return nil }
        var start = prefix.count
        while start < bytes.count {
            let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
            let colon = start + name.utf8.count
            if colon < end, bytes[colon] == UInt8(ascii: ":"), bytes[start..<colon].elementsEqual(name.utf8) {
                return String(
                    validating: trimmed(UnsafeRawBufferPointer(rebasing: bytes[(colon + 1)..<end])), as: UTF8.self)
            }
            start = end + 1
        }
        return nil
    }

    /// The status alone.
    static func status(in bytes: UnsafeRawBufferPointer) -> Int? {
        guard bytes.count >= prefix.count + 4, bytes.starts(with: prefix), bytes[prefix.count] == UInt8(ascii: " ")
        else { return nil }
        var status = 0
        for byte in bytes[(prefix.count + 1)..<(prefix.count + 4)] {
            guard case UInt8(ascii: "0")...UInt8(ascii: "9") = byte else { return nil }
            status = status * 10 + Int(byte - UInt8(ascii: "0"))
        }
        return status
    }

    /// The block of a received message; empty where it has none.
    ///
    /// The library's own reading takes the line after an empty value for that value, and gives no header at all where
    /// the empty one is last: a condition that a peer sent would be lost. So the block itself is read. The library
    /// (3.x) keeps a received message in one allocation: subject, NUL, reply and NUL if any, block and NUL if any, data.
    static func bytes(of message: OpaquePointer) -> [UInt8] {
        guard let before = natsMsg_GetReply(message) ?? natsMsg_GetSubject(message), let data = natsMsg_GetData(message)
        else { return [] }
        let start = UnsafeRawPointer(before) + strlen(before) + 1
        let length = UnsafeRawPointer(data) - start - 1
        guard length > 0 else { return [] }
        return Array(UnsafeRawBufferPointer(start: start, count: length))
    }
}
