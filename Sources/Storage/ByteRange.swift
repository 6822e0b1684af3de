/// A part of an object, as an HTTP range asks for it (RFC 9110, section 14.1.2).
public enum ByteRange: Sendable, Hashable, CustomStringConvertible {
    /// `bytes=first-last`, both inclusive; a last beyond the end means the end.
    case bounded(first: Int, last: Int)
    /// `bytes=first-`, to the end.
    case from(Int)
    /// `bytes=-count`, the last bytes; more than there are means all.
    case suffix(Int)

    /// Parses `bytes=a-b`, `bytes=a-` or `bytes=-n`.
    ///
    /// - Throws: ``StorageError`` of kind `invalid` for any other text, several ranges included.
    public init(parsing text: String) throws(StorageError) {
        guard let range = Self.parse(text) else {
            throw StorageError(
                .invalid, "range “\(text.abbreviated)” is not of the form bytes=a-b, bytes=a- or bytes=-n")
        }
        self = range
    }

    private static func parse(_ text: String) -> ByteRange? {
        guard text.hasPrefix("bytes=") else { return nil }
        let ends = text.dropFirst(6).split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        guard ends.count == 2 else { return nil }
        switch (number(ends[0]), number(ends[1])) {
        case (let first?, let last?) where first <= last: return .bounded(first: first, last: last)
        case (let first?, nil) where ends[1].isEmpty: return .from(first)
        case (nil, let count?) where ends[0].isEmpty: return .suffix(count)
        default: return nil
        }
    }

    /// An offset: what there is no room for lies beyond every object.
    private static func number(_ digits: Substring) -> Int? {
        let isNumber = digits.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        return isNumber && !digits.isEmpty ? Int(digits) ?? .max : nil
    }

    /// As a header writes it.
    public var description: String {
        switch self {
        case .bounded(let first, let last): "bytes=\(first)-\(last)"
        case .from(let first): "bytes=\(first)-"
        case .suffix(let count): "bytes=-\(count)"
        }
    }

    /// The offsets within an object of `size` bytes.
    ///
    /// - Throws: ``StorageError`` of kind `rangeNotSatisfiable`, with the size, where no byte is in range.
    public func resolve(size: Int) throws(StorageError) -> Range<Int> {
        let range: Range<Int>? =
            switch self {
            case .bounded(let first, let last) where first >= 0 && first < size && first <= last:
                first..<min(last, size - 1) + 1
            case .from(let first) where first >= 0 && first < size: first..<size
            case .suffix(let count) where count > 0 && size > 0: max(0, size - count)..<size
            default: nil
            }
        guard let range else {
            var error = StorageError(.rangeNotSatisfiable, "\(self) lies outside the object of \(size) bytes")
            error.size = size
            throw error
        }
        return range
    }
}
