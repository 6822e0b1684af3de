import Crypto
import Storage
import StorageLayers
import Yams

/// The keys of an `encrypt` layer.
struct EncryptKeys: Sendable {
    private var known: [String: SymmetricKey] = [:]
    private var current: String?
    var options = EncryptionOptions()

    static let section = Section<EncryptKeys>(
        "Stores objects encrypted.",
        [
            Setting(
                "keys", .mapping(.secret), "Keys of 256 bits by their ids, in base64 or hexadecimal, or {file: PATH}."
            ) { node, keys in
                keys.known = try node.values().mapValues { try $0.encryptionKey() }
            }.required,
            Setting("current_key", .text, "The id of the key to write with; needed where there are several.") {
                $1.current = try $0.string()
            },
            .size("chunk_size", \.options.chunkSize, in: 1 << 10...16 << 20, "How much is encrypted at a time."),
            .boolean(
                "read_plaintext", \.options.readsPlaintext,
                "Whether objects are read that were stored before encryption."),
        ])

    /// What the keys say together.
    func keys() throws(StorageError) -> EncryptionKeys {
        guard let current = current ?? (known.count == 1 ? known.keys.first : nil) else {
            throw StorageError(.invalid, "of several keys current_key names the one to write with")
        }
        return try EncryptionKeys(known, current: current)
    }
}

extension ConfigurationNode {
    /// A mapping of any names.
    func values() throws -> [String: ConfigurationNode] {
        guard let mapping = node.mapping else { throw failure("is not a mapping") }
        return mapping.reduce(into: [:]) { values, entry in
            let name = entry.key.string ?? "?"
            values[name] = ConfigurationNode(node: entry.value, path: "\(path).\(name)", environment: environment)
        }
    }

    fileprivate func encryptionKey() throws -> SymmetricKey {
        guard let key = EncryptionKeys.key(parsing: try secret()) else {
            throw failure("is no key: 32 bytes in base64, or 64 hexadecimal digits")
        }
        return key
    }
}
