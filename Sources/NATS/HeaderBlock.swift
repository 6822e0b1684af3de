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
    static func first(_ name: StaticString, in bytes: UnsafeRawBufferPointer) -> String? {
        guard bytes.starts(with: prefix) else { return nil }
        var start = prefix.count
        let length = name.utf8CodeUnitCount
        while start < bytes.count, let base = bytes.baseAddress {
            let line = base + start
            let end = memchr(line, 0x0a, bytes.count - start).map { UnsafeRawPointer($0) - base } ?? bytes.count
            let colon = start + length
            if colon < end, bytes[colon] == UInt8(ascii: ":"), memcmp(line, name.utf8Start, length) == 0 {
                return text(trimmed(UnsafeRawBufferPointer(rebasing: bytes[(colon + 1)..<end])))
            }
            start = end + 1
        }
        return nil
    }

    private static func text(_ bytes: UnsafeRawBufferPointer) -> String? {
        // Mostly it is ASCII, which needs no validation.
        bytes.allSatisfy { $0 < 0x80 }
            ? String(decoding: bytes, as: UTF8.self) : String(validating: bytes, as: UTF8.self)
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
        let block = Array(UnsafeRawBufferPointer(start: start, count: length))
        return natsMsg_GetDataLength(message) == 0 ? restored(block) : block
    }

    /// The library may have read the headers of a message without data before it gave it, to know whether it says that
    /// nobody listens: it leaves NULs for the colon behind each name and for the white space behind each value.
    private static func restored(_ block: [UInt8]) -> [UInt8] {
        var block = block
        // The first line has a status, and no name.
        var isName = false
        for index in block.indices {
            switch block[index] {
            case UInt8(ascii: "\n"):
                // A line that begins with white space goes on with a value.
                isName = index + 1 < block.count && block[index + 1] > 0x20
            case UInt8(ascii: ":"): isName = false
            case 0:
                block[index] = isName ? UInt8(ascii: ":") : UInt8(ascii: " ")
                isName = false
            default: break
            }
        }
        return block
    }
}
