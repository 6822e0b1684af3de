/// A glob over keys: each segment is literal or `*`, which stands for exactly one segment.
///
/// A type of its own, so that a pattern is never taken for a key: `*` inside a longer segment is literal.
public struct KeyPattern: Sendable, Hashable, LosslessStringConvertible {
    /// The pattern as it was given.
    public let rawValue: String
    private let segments: [[UInt8]?]

    /// Validates `rawValue` by the rules of a key.
    ///
    /// - Throws: ``StorageError`` of kind `invalid`.
    public init(validating rawValue: String) throws(StorageError) {
        _ = try ObjectKey(validating: rawValue)
        self.rawValue = rawValue
        self.segments = rawValue.utf8.split(separator: UInt8(ascii: "/")).map { segment in
            segment.elementsEqual("*".utf8) ? nil : Array(segment)
        }
    }

    /// The pattern, or nil where it is not valid.
    public init?(_ description: String) {
        do { try self.init(validating: description) } catch { return nil }
    }

    /// The pattern as it was given.
    public var description: String { rawValue }

    /// Whether `key` has the pattern's number of segments and equals each literal one.
    public func matches(_ key: ObjectKey) -> Bool {
        let parts = key.rawValue.utf8.split(separator: UInt8(ascii: "/"))
        guard parts.count == segments.count else { return false }
        return zip(parts, segments).allSatisfy { part, segment in
            segment.map { part.elementsEqual($0) } ?? true
        }
    }

    /// What every matching key begins with: narrows a listing.
    package var literalPrefix: String {
        var literal: [UInt8] = []
        for (index, segment) in segments.enumerated() {
            guard let segment else { break }
            literal += segment
            if index < segments.count - 1 { literal.append(UInt8(ascii: "/")) }
        }
        return String(decoding: literal, as: UTF8.self)
    }
}
