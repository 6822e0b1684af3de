import FoundationEssentials
import Storage

/// What a file holds behind an object's bytes: its metadata, so that one rename makes both visible at once.
///
/// Not in extended attributes, which are too small on some file systems and lost by most copies; not in a file
/// beside it, which no system call replaces together with the object; not before the bytes, whose digest and number
/// are known only at their end. Little-endian; in this order: variable fields, then 96 bytes of
/// size, length of the variable fields, modified, expires (0: never), version, digest, checksum, magic.
struct Trailer: Sendable {
    static let footerSize = 96
    private static let versionSize = 16
    private static let magic: UInt64 = 0x0A32_4A42_4F53_4E89
    /// More than any metadata that a store is given, little enough to read into memory.
    static let longest = 64 << 20

    var info: ObjectInfo

    /// The time as it is kept, to the microsecond: what a put tells is what an info tells later.
    static func kept(_ date: Date) -> Date { Self.date(microseconds(date)) }

    private static func microseconds(_ date: Date) -> Int64 {
        Int64(exactly: (date.timeIntervalSince1970 * 1e6).rounded()) ?? 0
    }

    private static func date(_ microseconds: Int64) -> Date {
        Date(timeIntervalSince1970: Double(microseconds) / 1e6)
    }

    /// The bytes to append to the object's.
    func encoded() throws(StorageError) -> [UInt8] {
        var writer = FieldWriter()
        writer.append(info.key.rawValue)
        writer.append(info.attributes.contentType)
        writer.append(info.attributes.contentEncoding)
        writer.append(UInt32(info.attributes.metadata.count))
        for (name, values) in info.attributes.metadata {
            writer.append(name)
            writer.append(UInt32(values.count))
            for value in values { writer.append(value) }
        }
        guard writer.bytes.count <= Self.longest else { throw StorageError(.tooLarge, "the metadata is too large") }
        let length = writer.bytes.count
        writer.append(UInt64(info.size))
        writer.append(UInt64(length))
        writer.append(UInt64(bitPattern: Self.microseconds(info.modified)))
        writer.append(UInt64(bitPattern: info.expires.map(Self.microseconds) ?? 0))
        writer.append(raw: Self.fixed(info.version.description.utf8, Self.versionSize))
        writer.append(raw: Self.fixed(info.digest?.bytes ?? [], 32))
        writer.append(writer.bytes.withUnsafeBytes { $0.checksum })
        writer.append(Self.magic)
        return writer.bytes
    }

    private static func fixed(_ bytes: some Sequence<UInt8>, _ count: Int) -> [UInt8] {
        let bytes = Array(bytes.prefix(count))
        return bytes + [UInt8](repeating: 0, count: count - bytes.count)
    }

    /// How long the whole trailer is of a file that ends with `bytes`; nil where it has none.
    static func length(endOf bytes: UnsafeRawBufferPointer, fileSize: Int) -> Int? {
        guard bytes.count >= footerSize else { return nil }
        var reader = FieldReader(UnsafeRawBufferPointer(rebasing: bytes.suffix(footerSize)))
        guard let size = reader.integer(UInt64.self), let length = reader.integer(UInt64.self),
            size <= UInt64(fileSize), length <= UInt64(longest),
            Int(size) + Int(length) + footerSize == fileSize
        else { return nil }
        return Int(length) + footerSize
    }

    /// Parses a whole trailer; nil where it is damaged, or of another key than the one expected.
    init?(_ bytes: UnsafeRawBufferPointer, of expected: ObjectKey? = nil) {
        guard bytes.count >= Self.footerSize else { return nil }
        let checked = UnsafeRawBufferPointer(rebasing: bytes.dropLast(16))
        var end = FieldReader(UnsafeRawBufferPointer(rebasing: bytes.suffix(16)))
        guard end.integer(UInt64.self) == checked.checksum, end.integer(UInt64.self) == Self.magic else { return nil }
        var footer = FieldReader(UnsafeRawBufferPointer(rebasing: bytes.suffix(Self.footerSize)))
        var fields = FieldReader(UnsafeRawBufferPointer(rebasing: bytes.dropLast(Self.footerSize)))
        guard let size = footer.integer(UInt64.self).flatMap({ Int(exactly: $0) }), footer.integer(UInt64.self) != nil,
            let modified = footer.integer(UInt64.self), let expires = footer.integer(UInt64.self),
            let version = footer.raw(Self.versionSize), let digest = footer.raw(32),
            let key = Self.key(&fields, expected), let attributes = Self.attributes(&fields)
        else { return nil }
        info = ObjectInfo(
            key: key, size: size, version: Version(String(decoding: version.prefix { $0 != 0 }, as: UTF8.self)),
            digest: Digest(bytes: digest), modified: Self.date(Int64(bitPattern: modified)),
            expires: expires == 0 ? nil : Self.date(Int64(bitPattern: expires)), attributes: attributes)
    }

    /// The expected key itself where the bytes are its own: nothing to validate or to copy.
    private static func key(_ fields: inout FieldReader, _ expected: ObjectKey?) -> ObjectKey? {
        guard let expected else { return fields.text().flatMap { ObjectKey($0) } }
        guard let count = fields.integer(UInt32.self), let bytes = fields.raw(Int(count)) else { return nil }
        return expected.isWritten(as: bytes) ? expected : nil
    }

    init(_ info: ObjectInfo) {
        self.info = info
    }

    private static func attributes(_ fields: inout FieldReader) -> ObjectAttributes? {
        guard let type = fields.optionalText(), let encoding = fields.optionalText(),
            let names = fields.integer(UInt32.self)
        else { return nil }
        if names == 0 { return ObjectAttributes(contentType: type.value, contentEncoding: encoding.value) }
        var metadata: Metadata = [:]
        for _ in 0..<names {
            guard let name = fields.text(), let count = fields.integer(UInt32.self) else { return nil }
            var values: [String] = []
            for _ in 0..<count {
                guard let value = fields.text() else { return nil }
                values.append(value)
            }
            metadata[name] = values
        }
        return ObjectAttributes(contentType: type.value, contentEncoding: encoding.value, metadata: metadata)
    }
}
