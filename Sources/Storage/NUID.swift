import Glibc
import Synchronization

/// Random identifiers of 22 letters and digits, as NATS clients make them.
package enum NUID {
    private static let alphabet = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)

    /// A new identifier: 128 random bits in 22 characters, so that two are never the same.
    package static func next() -> String {
        let (first, second) = words.withLock { words in
            if words.isEmpty { refill(&words) }
            return (words.removeLast(), words.removeLast())
        }
        return text(first, second)
    }

    /// The system's random numbers, fetched many at a time: a call of the kernel for each would take as long as the rest.
    private static let words = Mutex<[UInt64]>([])
    /// So many the kernel gives in one piece: up to 256 bytes.
    private static let fetched = 32

    private static func refill(_ words: inout [UInt64]) {
        words = [UInt64](unsafeUninitializedCapacity: fetched) { buffer, count in
            let bytes = UnsafeMutableRawBufferPointer(buffer)
            count = getentropy(bytes.baseAddress, fetched * 8) == 0 ? fetched : 0
        }
        while words.count < fetched { words.append(UInt64.random(in: .min ... .max)) }
    }

    /// The same identifier each time for the same name, and another one for any other.
    package static func derived(from name: String) -> String {
        let (first, second) = Digest(of: name.utf8).firstWords
        return text(first, second)
    }

    private static func text(_ first: UInt64, _ second: UInt64) -> String {
        String(unsafeUninitializedCapacity: 22) { text in
            for (half, word) in [first, second].enumerated() {
                var word = word
                for index in 0..<11 {
                    text[half * 11 + index] = alphabet[Int(word % 62)]
                    word /= 62
                }
            }
            return 22
        }
    }
}
