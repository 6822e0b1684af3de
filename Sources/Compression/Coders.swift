/// Compresses bytes, a piece at a time. For one task at a time.
package protocol ByteEncoder: AnyObject {
    /// What the next bytes become, which may be nothing yet; with the last ones everything that is left.
    func encode(_ bytes: [UInt8], isLast: Bool) throws(CompressionError) -> [UInt8]
}

/// Decompresses bytes, a bounded piece at a time, whatever the bytes say. For one task at a time.
package protocol ByteDecoder: AnyObject {
    /// Takes the next bytes, where the last step asked for them.
    func feed(_ bytes: [UInt8])

    /// Goes on with what was fed, and gives at most `limit` bytes, 64 KiB at most.
    func next(_ limit: Int) throws(CompressionError) -> DecodingStep

    /// How many of the bytes fed were not used: at the end, those that follow it.
    var unused: Int { get }
}

/// What comes next of a decoder.
package enum DecodingStep: Sendable {
    /// Some of the content.
    case bytes([UInt8])
    /// Nothing before more is fed.
    case needsInput
    /// The end, whose checksum is right.
    case ended
}

let outputSize = 64 << 10
