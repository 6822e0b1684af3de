import CZstd

/// Decompresses one Zstandard frame (RFC 8878), a bounded piece at a time, whatever the bytes say.
package final class ZstdDecoder: ByteDecoder {
    /// As much as the highest level looks back: a frame that wants more memory is refused.
    private static let largestWindow: Int32 = 23

    private let context: OpaquePointer
    private var input: [UInt8] = []
    private var offset = 0
    private var hasEnded = false

    /// At the beginning.
    package init() throws(CompressionError) {
        guard let context = ZstdContexts.decoding.take() ?? ZSTD_createDCtx() else { throw .noMemory }
        self.context = context
        try zstd(ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, Self.largestWindow))
    }

    deinit {
        ZSTD_DCtx_reset(context, ZSTD_reset_session_and_parameters)
        if !ZstdContexts.decoding.giveBack(context, size: ZSTD_sizeof_DCtx(context)) { ZSTD_freeDCtx(context) }
    }

    package func feed(_ bytes: [UInt8]) {
        input = offset == input.count ? bytes : Array(input[offset...]) + bytes
        offset = 0
    }

    package var unused: Int { input.count - offset }

    package func next(_ limit: Int) throws(CompressionError) -> DecodingStep {
        while !hasEnded {
            let before = offset
            var left = 0
            let output = [UInt8](unsafeUninitializedCapacity: max(1, min(limit, outputSize))) { buffer, count in
                left = step(buffer, &count)
            }
            try zstd(left)
            hasEnded = left == 0
            if !output.isEmpty { return .bytes(output) }
            if !hasEnded, offset == input.count || offset == before { return .needsInput }
        }
        return .ended
    }

    private func step(_ buffer: UnsafeMutableBufferPointer<UInt8>, _ count: inout Int) -> Int {
        self.input.withUnsafeBytes { bytes in
            var input = ZSTD_inBuffer(src: bytes.baseAddress, size: bytes.count, pos: offset)
            var output = ZSTD_outBuffer(dst: buffer.baseAddress, size: buffer.count, pos: 0)
            let left = ZSTD_decompressStream(context, &output, &input)
            (offset, count) = (input.pos, output.pos)
            return left
        }
    }
}
