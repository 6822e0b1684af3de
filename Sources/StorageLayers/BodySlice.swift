import Storage
import Synchronization

extension ObjectBody {
    /// The bytes of the body in `range`; what is before is read and thrown away.
    ///
    /// Where the body ends before the range does, reading throws `internal`.
    func slice(_ range: Range<Int>) -> ObjectBody {
        if let bytes = bytesAtHand, range.upperBound <= bytes.count { return ObjectBody(Array(bytes[range])) }
        let pull = pull
        let offset = Mutex(0)
        return ObjectBody(size: range.count) { () async throws(StorageError) in
            while offset.withLock({ $0 }) < range.upperBound {
                guard let chunk = try await pull() else {
                    throw StorageError(.internal, "the body ended before byte \(range.upperBound)")
                }
                let start = offset.withLock { offset in
                    defer { offset += chunk.count }
                    return offset
                }
                let part = range.clamped(to: start..<start + chunk.count)
                if part.count == chunk.count { return chunk }
                if !part.isEmpty { return Array(chunk[part.lowerBound - start..<part.upperBound - start]) }
            }
            return nil
        }
    }
}
