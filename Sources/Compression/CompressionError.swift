import CZlib

/// What zlib or libzstd could not do.
package struct CompressionError: Error, Sendable, CustomStringConvertible {
    /// A sentence for a person.
    package let description: String

    init(_ description: String) {
        self.description = description
    }

    static let noMemory = CompressionError("there is no memory for compression")

    init(_ status: Int32) {
        switch status {
        case Z_MEM_ERROR: self = .noMemory
        case Z_DATA_ERROR: self.init("the compressed bytes are damaged")
        default: self.init("zlib failed with status \(status)")
        }
    }
}
