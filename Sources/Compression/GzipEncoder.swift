import CZlib

/// Compresses bytes into one gzip member (RFC 1952).
package final class GzipEncoder: ByteEncoder {
    // zlib keeps a pointer to it: it must not move.
    private let stream: UnsafeMutablePointer<z_stream>

    /// - Parameter level: 1, fast, to 9, small.
    package init(level: Int = 6) throws(CompressionError) {
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        stream.initialize(to: z_stream())
        let status = deflateInit2_(
            stream, Int32(min(max(level, 1), 9)), Z_DEFLATED, gzipWindow, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
            Int32(MemoryLayout<z_stream>.size))
        guard status == Z_OK else {
            stream.deallocate()
            throw CompressionError(status)
        }
        // Last: from here on a failure would run deinit.
        self.stream = stream
    }

    deinit {
        deflateEnd(stream)
        stream.deallocate()
    }

    package func encode(_ bytes: [UInt8], isLast: Bool) throws(CompressionError) -> [UInt8] {
        guard UInt32(exactly: bytes.count) != nil else { throw CompressionError(Z_BUF_ERROR) }
        var output: [UInt8] = []
        var status = Z_OK
        // zlib does not write to its input, though its header says so.
        bytes.withUnsafeBufferPointer { input in
            stream.pointee.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
            stream.pointee.avail_in = UInt32(input.count)
            repeat {
                status = step(&output, isLast ? Z_FINISH : Z_NO_FLUSH)
            } while status == Z_OK && stream.pointee.avail_out == 0
            stream.pointee.next_in = nil
            stream.pointee.avail_in = 0
        }
        // With no more to do it tells Z_BUF_ERROR, which is no error.
        guard status == (isLast ? Z_STREAM_END : Z_OK) || !isLast && status == Z_BUF_ERROR else {
            throw CompressionError(status)
        }
        return output
    }

    private func step(_ output: inout [UInt8], _ flush: Int32) -> Int32 {
        var status = Z_OK
        output += [UInt8](unsafeUninitializedCapacity: outputSize) { buffer, count in
            stream.pointee.next_out = buffer.baseAddress
            stream.pointee.avail_out = UInt32(buffer.count)
            status = deflate(stream, flush)
            count = buffer.count - Int(stream.pointee.avail_out)
        }
        return status
    }
}

/// The largest window, with gzip's header and trailer.
let gzipWindow: Int32 = 15 + 16
