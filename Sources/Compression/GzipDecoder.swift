import CZlib

/// Decompresses one gzip member (RFC 1952), a bounded piece at a time, whatever the bytes say.
package struct GzipDecoder: ~Copyable {
    /// What comes next.
    package enum Step: Sendable {
        /// At most 64 KiB of content.
        case bytes([UInt8])
        /// Nothing before more is fed.
        case needsInput
        /// The end, whose checksum is right; nothing may follow.
        case ended
    }

    // zlib keeps a pointer to it: it must not move.
    private let stream: UnsafeMutablePointer<z_stream>
    private var input: [UInt8] = []
    private var offset = 0
    private var hasEnded = false

    /// At the beginning.
    package init() throws(CompressionError) {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        let status = inflateInit2_(stream, gzipWindow, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        guard status == Z_OK else {
            stream.deallocate()
            throw CompressionError(status)
        }
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    /// Takes the next bytes, where the last step asked for them.
    package mutating func feed(_ bytes: [UInt8]) {
        input = offset == input.count ? bytes : Array(input[offset...]) + bytes
        offset = 0
    }

    /// Goes on with what was fed.
    package mutating func next() throws(CompressionError) -> Step {
        if hasEnded {
            guard offset == input.count else { throw CompressionError("bytes follow the end of the compressed ones") }
            return .ended
        }
        while true {
            let before = offset
            var status = Z_OK
            let output = [UInt8](unsafeUninitializedCapacity: outputSize) { buffer, count in
                status = inflate(into: buffer, &count)
            }
            switch status {
            case Z_STREAM_END: hasEnded = true
            // With Z_BUF_ERROR it made nothing, since it has nothing left to make it of.
            case Z_OK, Z_BUF_ERROR: break
            default: throw CompressionError(status)
            }
            if !output.isEmpty { return .bytes(output) }
            if hasEnded { return try next() }
            if offset == input.count || offset == before { return .needsInput }
        }
    }

    private mutating func inflate(into buffer: UnsafeMutableBufferPointer<UInt8>, _ count: inout Int) -> Int32 {
        // Pieces of a size that zlib's counter holds.
        let part = input[offset...].prefix(1 << 20)
        return part.withUnsafeBufferPointer { bytes in
            stream.pointee.next_in = UnsafeMutablePointer(mutating: bytes.baseAddress)
            stream.pointee.avail_in = UInt32(bytes.count)
            stream.pointee.next_out = buffer.baseAddress
            stream.pointee.avail_out = UInt32(buffer.count)
            let status = CZlib.inflate(stream, Z_NO_FLUSH)
            offset += bytes.count - Int(stream.pointee.avail_in)
            count = buffer.count - Int(stream.pointee.avail_out)
            stream.pointee.next_in = nil
            stream.pointee.avail_in = 0
            return status
        }
    }
}
