public import Crypto
import Encodings
import FoundationEssentials
public import Storage

/// The keys of an ``EncryptedStore``: one to write with, and those that older objects were written with.
public struct EncryptionKeys: Sendable {
    private let keys: [String: SymmetricKey]
    /// The id of the key to write with.
    public let current: String

    /// Keys of 256 bits by their ids, which are kept with each object in clear text.
    ///
    /// - Throws: `invalid` where one is not of 256 bits, an id is empty or holds more than 64 bytes or a control
    ///   character, or there is no key of the id `current`.
    public init(_ keys: [String: SymmetricKey], current: String) throws(StorageError) {
        for (id, key) in keys {
            guard key.bitCount == 256 else {
                throw StorageError(.invalid, "the encryption key “\(id.abbreviated)” has \(key.bitCount) bits, not 256")
            }
            guard !id.isEmpty, id.utf8.count <= 64, id.utf8.allSatisfy({ $0 > 0x1f && $0 < 0x7f }) else {
                throw StorageError(
                    .invalid, "the key id “\(id.abbreviated)” is not of 1 to 64 printable ASCII characters")
            }
        }
        guard keys[current] != nil else {
            throw StorageError(.invalid, "there is no encryption key of the id “\(current.abbreviated)” to write with")
        }
        self.keys = keys
        self.current = current
    }

    /// The key in base64 or as 64 hexadecimal digits, nil for anything else.
    public static func key(parsing text: String) -> SymmetricKey? {
        if text.utf8.count == 64, let bytes = Hexadecimal.decode(text) { return SymmetricKey(data: bytes) }
        guard let data = Data(base64Encoded: text), data.count == 32 else { return nil }
        return SymmetricKey(data: data)
    }

    subscript(id: String) -> SymmetricKey? { keys[id] }
}
