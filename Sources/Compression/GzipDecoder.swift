import CZlib

/// Decompresses one gzip member (RFC 1952), a bounded piece at a time, whatever the bytes say.
package final class GzipDecoder: ByteDecoder {
    // zlib keeps a pointer to it: it must not move.
    private let stream: UnsafeMutablePointer<z_stream>
    private var input: [UInt8] = []
    private var offset = 0
    private var hasEnded = false

    /// At the beginning.
    package init() throws(CompressionError) {
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        stream.initialize(to: z_stream())
        let status = inflateInit2_(stream, gzipWindow, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        guard status == Z_OK else {
            stream.deallocate()
            throw CompressionError(status)
        }
        // Last: from here on a failure would run deinit.
        self.stream = stream
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    package func feed(_ bytes: [UInt8]) {
        input = offset == input.count ? bytes : Array(input[offset...]) + bytes
        offset = 0
    }

    package var unused: Int { input.count - offset }

    package func next(_ limit: Int) throws(CompressionError) -> DecodingStep {
        if hasEnded { return .ended }
        while true {
            let before = offset
            var status = Z_OK
            let output = [UInt8](unsafeUninitializedCapacity: max(1, min(limit, outputSize))) { buffer, count in
                status = inflate(into: buffer, &count)
            }
            switch status {
            case Z_STREAM_END: hasEnded = true
            // With Z_BUF_ERROR it made nothing, since it has nothing left to make it of.
            case Z_OK, Z_BUF_ERROR: break
            default: throw CompressionError(status)
            }
            if !output.isEmpty { return .bytes(output) }
            if hasEnded { return .ended }
            if offset == input.count || offset == before { return .needsInput }
        }
    }

    private func inflate(into buffer: UnsafeMutableBufferPointer<UInt8>, _ count: inout Int) -> Int32 {
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
