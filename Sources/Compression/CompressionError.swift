import CZlib

/// What zlib could not do.
package struct CompressionError: Error, Sendable, CustomStringConvertible {
    /// A sentence for a person.
    package let description: String

    init(_ description: String) {
        self.description = description
    }

    init(_ status: Int32) {
        switch status {
        case Z_MEM_ERROR: description = "there is no memory for compression"
        case Z_DATA_ERROR: description = "the compressed bytes are damaged"
        default: description = "zlib failed with status \(status)"
        }
    }
}
