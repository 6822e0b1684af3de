import Crypto
import Encodings
import FoundationEssentials
import Storage

/// What is kept with an encrypted object, sealed: its own key, and what it is in clear text.
///
/// The bytes are cut into chunks, each sealed with AES-256-GCM under the object's own key, with its number as the nonce and
/// whether it is the last as associated data. Number and size of the chunks follow from the sealed size: no chunk can be
/// changed, left out, moved or appended without its being noticed. The header is sealed under one of the store's keys,
/// with its id and the object's name as associated data: it fits no other object.
struct EncryptedObject: TransformedObject, Sendable {
    static let tagSize = 16
    private static let format = "1"

    let hidden: HiddenMetadata
    let size: Int
    let digest: Storage.Digest
    let chunkSize: Int
    let key: SymmetricKey

    var chunkCount: Int { max(1, (size + chunkSize - 1) / chunkSize) }
    /// The size of the sealed bytes.
    var sealedSize: Int { size + chunkCount * Self.tagSize }

    /// How many sealed bytes chunk `index` has.
    func sealedSize(ofChunk index: Int) -> Int {
        min(chunkSize, size - index * chunkSize) + Self.tagSize
    }

    // MARK: The header

    /// What is kept with the object, under the current one of `keys`.
    func values(_ keys: EncryptionKeys, _ name: ObjectKey) throws(StorageError) -> [String] {
        guard let master = keys[keys.current] else { throw Self.unknownKey(keys.current) }
        var bytes = key.withUnsafeBytes { Array($0) }
        for number in [UInt64(size), UInt64(chunkSize)] { withUnsafeBytes(of: number.bigEndian) { bytes += $0 } }
        bytes += digest.bytes
        do {
            let box = try AES.GCM.seal(bytes, using: master, authenticating: Self.context(keys.current, name))
            guard let sealed = box.combined else { throw StorageError(.internal, "the header can't be sealed") }
            return [Self.format, keys.current, Base64URL.encode(Array(sealed))]
        } catch {
            throw StorageError(.internal, "the object's key can't be sealed: \(error)")
        }
    }

    /// Opens what is kept with the object; nil where it is not an encrypted one.
    ///
    /// - Throws: `internal` where it is damaged, or none of `keys` is its key.
    init?(
        _ info: borrowing ObjectInfo, _ hidden: HiddenMetadata, _ keys: EncryptionKeys, _ opened: OpenedHeaders
    ) throws(StorageError) {
        guard let values = hidden.values(info) else { return nil }
        if let object = opened.object(info.key, values) {
            self = object
            return
        }
        try self.init(values, hidden, info.key, keys)
        opened.add(self, info.key, values)
    }

    private init(
        _ values: [String], _ hidden: HiddenMetadata, _ name: ObjectKey, _ keys: EncryptionKeys
    ) throws(StorageError) {
        guard values.count == 3, values[0] == Self.format, let sealed = Base64URL.decode(values[2]) else {
            throw Self.damaged("its header is of no known form")
        }
        guard let master = keys[values[1]] else { throw Self.unknownKey(values[1]) }
        let opened: Data
        do {
            let box = try AES.GCM.SealedBox(combined: sealed)
            opened = try AES.GCM.open(box, using: master, authenticating: Self.context(values[1], name))
        } catch {
            throw Self.damaged("its header does not fit its name or its key “\(values[1].abbreviated)”")
        }
        try self.init(opened: Array(opened), hidden)
    }

    private init(opened bytes: [UInt8], _ hidden: HiddenMetadata) throws(StorageError) {
        guard bytes.count == 80, let digest = Storage.Digest(bytes: bytes[48...]) else {
            throw Self.damaged("its header has \(bytes.count) bytes")
        }
        func number(_ range: Range<Int>) -> UInt64 { bytes[range].reduce(0) { $0 << 8 | UInt64($1) } }
        let (size, chunkSize) = (number(32..<40), number(40..<48))
        guard size <= Self.sizes.upperBound, (1...1 << 30).contains(chunkSize) else {
            throw Self.damaged("its sizes are out of range")
        }
        self.init(
            hidden: hidden, size: Int(size), digest: digest, chunkSize: Int(chunkSize),
            key: SymmetricKey(data: bytes[..<32]))
    }

    init(hidden: HiddenMetadata, size: Int, digest: Storage.Digest, chunkSize: Int, key: SymmetricKey) {
        self.hidden = hidden
        (self.size, self.digest, self.chunkSize, self.key) = (size, digest, chunkSize, key)
    }

    private static func context(_ id: String, _ name: ObjectKey) -> [UInt8] {
        Array("nats-storage encrypted object \(format)\n\(id)\n\(name.rawValue)".utf8)
    }

    // MARK: Chunks

    /// Makes the whole of what is stored the object.
    func open(_ found: inout StoredObject) throws(StorageError) {
        found.body = try DecryptingBody.body(found.body, self, 0..<chunkCount)
        found.range = 0..<size
        show(in: &found.info)
    }

    /// Seals chunk `index`: as many bytes, and a tag.
    static func seal(_ bytes: [UInt8], _ index: Int, isLast: Bool, _ key: SymmetricKey) throws(StorageError) -> [UInt8]
    {
        do {
            let nonce = try AES.GCM.Nonce(data: nonce(index))
            let box = try AES.GCM.seal(bytes, using: key, nonce: nonce, authenticating: isLast ? last : notLast)
            // Behind the nonce, in one piece.
            guard let combined = box.combined else { return Array(box.ciphertext) + box.tag }
            return Array(combined.dropFirst(nonceSize))
        } catch {
            throw StorageError(.internal, "chunk \(index) can't be sealed: \(error)")
        }
    }

    /// Opens chunk `index`.
    ///
    /// - Throws: `internal` where it is not the chunk that was sealed.
    func open(_ sealed: ArraySlice<UInt8>, _ index: Int) throws(StorageError) -> [UInt8] {
        do {
            let box = try AES.GCM.SealedBox(combined: Self.nonce(index, followedBy: sealed))
            let isLast = index == chunkCount - 1
            return Array(try AES.GCM.open(box, using: key, authenticating: isLast ? Self.last : Self.notLast))
        } catch {
            throw Self.damaged("chunk \(index) is not the one that was stored")
        }
    }

    private static let last: [UInt8] = [1]
    private static let notLast: [UInt8] = [0]
    private static let nonceSize = 12

    /// Each object has a key of its own: the number alone is never used twice with it.
    private static func nonce(_ index: Int, followedBy rest: ArraySlice<UInt8> = []) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: nonceSize + rest.count) { buffer, count in
            let bytes = UnsafeMutableRawBufferPointer(buffer)
            bytes.storeBytes(of: 0, as: UInt32.self)
            bytes.storeBytes(of: UInt64(index).bigEndian, toByteOffset: 4, as: UInt64.self)
            count = buffer[nonceSize...].initialize(fromContentsOf: rest)
        }
    }

    static func damaged(_ how: String) -> StorageError {
        StorageError(.internal, "the encrypted object is damaged, or was changed by somebody: \(how)")
    }

    private static func unknownKey(_ id: String) -> StorageError {
        StorageError(
            .internal, "the object is encrypted with the key “\(id.abbreviated)”, which is not among the store's keys")
    }
}
