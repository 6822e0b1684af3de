import Glibc
import Synchronization

/// The system's random numbers, fetched many at a time: a call of the kernel for each would take as long as what is made
/// of it.
package enum RandomWords {
    private static let words = Mutex<[UInt64]>([])
    /// So many the kernel gives in one piece: up to 256 bytes.
    private static let fetched = 32

    /// Two that nobody else is given.
    package static func pair() -> (UInt64, UInt64) {
        words.withLock { words in
            if words.isEmpty { refill(&words) }
            return (words.removeLast(), words.removeLast())
        }
    }

    private static func refill(_ words: inout [UInt64]) {
        words = [UInt64](unsafeUninitializedCapacity: fetched) { buffer, count in
            let bytes = UnsafeMutableRawBufferPointer(buffer)
            count = getentropy(bytes.baseAddress, fetched * 8) == 0 ? fetched : 0
        }
        while words.count < fetched { words.append(UInt64.random(in: .min ... .max)) }
    }
}
