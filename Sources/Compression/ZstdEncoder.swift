import CZstd

/// Compresses bytes into one Zstandard frame (RFC 8878), with a checksum.
package final class ZstdEncoder: ByteEncoder {
    private let context: OpaquePointer

    /// - Parameter level: 1, fast, to 19, small.
    package init(level: Int = 3) throws(CompressionError) {
        guard let context = ZstdContexts.encoding.take() ?? ZSTD_createCCtx() else { throw .noMemory }
        self.context = context
        try zstd(ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, Int32(min(max(level, 1), 19))))
        try zstd(ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1))
    }

    deinit {
        ZSTD_CCtx_reset(context, ZSTD_reset_session_and_parameters)
        if !ZstdContexts.encoding.giveBack(context, size: ZSTD_sizeof_CCtx(context)) { ZSTD_freeCCtx(context) }
    }

    package func encode(_ bytes: [UInt8], isLast: Bool) throws(CompressionError) -> [UInt8] {
        let capacity = min(outputSize, ZSTD_compressBound(bytes.count))
        var output: [UInt8] = []
        var (left, offset) = (0, 0)
        repeat {
            let piece = [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
                left = step(bytes, &offset, buffer, &count, isLast)
            }
            try zstd(left)
            if output.isEmpty { output = piece } else { output += piece }
        } while isLast ? left != 0 : offset < bytes.count
        return output
    }

    private func step(
        _ bytes: [UInt8], _ offset: inout Int, _ buffer: UnsafeMutableBufferPointer<UInt8>, _ count: inout Int,
        _ isLast: Bool
    ) -> Int {
        bytes.withUnsafeBytes { bytes in
            var input = ZSTD_inBuffer(src: bytes.baseAddress, size: bytes.count, pos: offset)
            var output = ZSTD_outBuffer(dst: buffer.baseAddress, size: buffer.count, pos: 0)
            let left = ZSTD_compressStream2(context, &output, &input, isLast ? ZSTD_e_end : ZSTD_e_continue)
            (offset, count) = (input.pos, output.pos)
            return left
        }
    }
}

/// Throws where what libzstd answered is an error.
func zstd(_ result: Int) throws(CompressionError) {
    guard ZSTD_isError(result) == 0 else { throw CompressionError(String(cString: ZSTD_getErrorName(result))) }
}
