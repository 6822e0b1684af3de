package import Storage

/// What the settings of all services' buckets have in common.
package enum BucketSettings {
    /// Throws `invalid` for what is no bucket's name, or no beginning of a key.
    package static func validate(
        bucket: String, length: ClosedRange<Int>, allowsUpperCase: Bool = false, prefix: String
    ) throws(StorageError) {
        let isName =
            length.contains(bucket.utf8.count)
            && bucket.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
                case UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"): true
                case UInt8(ascii: "A")...UInt8(ascii: "Z"): allowsUpperCase
                default: false
                }
            }
        guard isName else {
            throw StorageError(.invalid, "“\(bucket.abbreviated)” is no bucket's name", operation: .open)
        }
        guard ObjectKey.canBegin(with: prefix) else {
            throw StorageError(
                .invalid, "prefix “\(prefix.abbreviated)” is no beginning of a key", operation: .open)
        }
    }
}
