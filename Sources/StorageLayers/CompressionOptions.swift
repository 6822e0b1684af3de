import Compression
package import Storage

/// How a ``CompressedStore`` compresses.
public struct CompressionOptions: Sendable {
    /// What new objects are compressed with; those of the others are read all the same.
    public var algorithm = CompressionAlgorithm.zstd
    /// 1, fast, to 9 (gzip) or 19 (zstd), small; nil is what the algorithm is made for: 6 or 3.
    public var level: Int?
    /// Objects of fewer bytes are stored as they are.
    public var minimumSize = 512

    /// These unless changed.
    public init() {}

    /// Throws `invalid` where the algorithm has no such level.
    package func validate() throws(StorageError) {
        guard let level, !algorithm.levels.contains(level) else { return }
        throw StorageError(
            .invalid, "\(algorithm.rawValue) has no level \(level); use 1 to \(algorithm.levels.upperBound)")
    }
}

/// What objects are compressed with. The raw value is kept with each of them.
public enum CompressionAlgorithm: String, Sendable, CaseIterable {
    /// DEFLATE, as nearly every tool reads it (RFC 1952).
    case gzip
    /// Zstandard (RFC 8878): smaller than gzip, in a fraction of the time.
    case zstd

    var levels: ClosedRange<Int> { self == .gzip ? 1...9 : 1...19 }

    func encoder(level: Int?) throws(CompressionError) -> sending any ByteEncoder {
        switch self {
        case .gzip: try GzipEncoder(level: level ?? 6)
        case .zstd: try ZstdEncoder(level: level ?? 3)
        }
    }

    func decoder() throws(CompressionError) -> sending any ByteDecoder {
        switch self {
        case .gzip: try GzipDecoder()
        case .zstd: try ZstdDecoder()
        }
    }
}
