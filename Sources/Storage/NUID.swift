/// Random identifiers of 22 letters and digits, as NATS clients make them.
package enum NUID {
    private static let alphabet = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)

    /// A new identifier: 128 random bits in 22 characters, so that two are never the same.
    package static func next() -> String {
        let (first, second) = RandomWords.pair()
        return text(first, second)
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
