import Storage

/// Random bytes at the end of all that a block store writes: it never puts the same bytes twice.
///
/// Some stores compare bytes where they are to compare versions, as S3 does by its ETag. To them a block that was renewed
/// would be the one that was found old, and one reference to a small object, whose names take no bytes, like any other.
enum BlockSalt {
    static let size = 16

    static func bytes() -> [UInt8] {
        let (first, second) = RandomWords.pair()
        return withUnsafeBytes(of: first, Array.init) + withUnsafeBytes(of: second, Array.init)
    }

    /// Takes it off where `size` bytes are left without it; what was written before there was salt stays as it is.
    static func remove(from stored: inout [UInt8], leaving size: Int) {
        if stored.count == size + Self.size { stored.removeLast(Self.size) }
    }
}
