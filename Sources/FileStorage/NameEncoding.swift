import Storage

/// How keys are written as paths: the same in every process, reversible, and never more than 255 bytes a name.
///
/// The last segment of a key is a file, the others are folders named `<segment>.d`, so that `a` and `a/b` may both be
/// objects: `reports/may.txt` is `reports.d/may.txt`. A segment too long for one name goes on in folders named
/// `<piece>.~`. What would be taken for something else is escaped as `%` and two hexadecimal digits.
enum NameEncoding: String, Sendable, CaseIterable {
    /// Names as the key writes them, for file systems that keep all bytes apart.
    case exact
    /// Capital letters and all but the plainest characters escaped, for file systems that fold letter case, normalize
    /// Unicode, or have forbidden or reserved names.
    case portable

    /// What a name stands for.
    enum Kind: Sendable {
        case object, folder, continuation
    }

    /// A piece goes on in another folder from here on; suffix and escapes still fit into a name.
    private static let longestPiece = 230
    private static let reserved: Set<String> = Set(
        ["con", "prn", "aux", "nul"] + (0...9).flatMap { ["com\($0)", "lpt\($0)"] })

    /// The path of a key's file.
    func path(of key: String) -> String {
        if self == .exact, let path = key.withBytes(Self.plainPath) { return path }
        var path: [UInt8] = []
        path.reserveCapacity(key.utf8.count + 16)
        let segments = key.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        for segment in segments.dropLast() { appendFolder(segment, to: &path) }
        if let last = segments.last { appendFile(last, to: &path) }
        return String(decoding: path, as: UTF8.self)
    }

    /// The path where nothing has to be escaped or cut, as with most keys; nil for others.
    private static func plainPath(_ key: UnsafeBufferPointer<UInt8>) -> String? {
        var (folders, start) = (0, 0)
        for (place, byte) in key.enumerated() {
            if byte == UInt8(ascii: "%") { return nil }
            guard byte == UInt8(ascii: "/") else { continue }
            if place - start > longestPiece { return nil }
            (folders, start) = (folders + 1, place + 1)
        }
        let name = key[start...]
        if name.count > longestPiece || name.first == UInt8(ascii: ".") { return nil }
        if hasSuffix(name, ".d") || hasSuffix(name, ".~") { return nil }
        return String(unsafeUninitializedCapacity: key.count + 2 * folders) { path in
            var end = 0
            for byte in key {
                if byte == UInt8(ascii: "/") {
                    (path[end], path[end + 1]) = (UInt8(ascii: "."), UInt8(ascii: "d"))
                    end += 2
                }
                path[end] = byte
                end += 1
            }
            return end
        }
    }

    /// The path of the folder for the keys that begin with these segments and a `/`; `.` for none.
    func folder(of segments: [ArraySlice<UInt8>]) -> String {
        var path: [UInt8] = []
        for segment in segments { appendFolder(segment, to: &path) }
        return path.isEmpty ? "." : String(decoding: path.dropLast(), as: UTF8.self)
    }

    private func appendFolder(_ segment: some Collection<UInt8>, to path: inout [UInt8]) {
        appendPieces(segment, to: &path)
        path += ".d/".utf8
    }

    private func appendFile(_ segment: some Collection<UInt8>, to path: inout [UInt8]) {
        let start = appendPieces(segment, to: &path)
        let name = path[start...]
        let isDots = name.elementsEqual(".".utf8) || name.elementsEqual("..".utf8)
        if name.last == UInt8(ascii: ".") && (isDots || self == .portable) {
            escape(at: path.count - 1, in: &path)
        } else if Self.hasSuffix(name, ".d") || Self.hasSuffix(name, ".~") {
            escape(at: path.count - 2, in: &path)
        }
    }

    /// Appends a segment, cut where it is too long; where its last piece starts.
    @discardableResult
    private func appendPieces(_ segment: some Collection<UInt8>, to path: inout [UInt8]) -> Int {
        var start = path.count
        let first = start
        for byte in segment {
            let isInsideCharacter = byte & 0xC0 == 0x80
            if path.count - start >= Self.longestPiece && !isInsideCharacter {
                path += ".~/".utf8
                start = path.count
            }
            path.append(byte)
            if !isPlain(byte) { escape(at: path.count - 1, in: &path) }
        }
        if self == .portable && isReserved(path[first...]) { escape(at: first, in: &path) }
        return start
    }

    private func isReserved(_ name: ArraySlice<UInt8>) -> Bool {
        Self.reserved.contains(String(decoding: name.prefix { $0 != UInt8(ascii: ".") }, as: UTF8.self))
    }

    private func isPlain(_ byte: UInt8) -> Bool {
        switch (self, byte) {
        case (.exact, _): byte != UInt8(ascii: "%")
        case (_, UInt8(ascii: "a")...UInt8(ascii: "z")), (_, UInt8(ascii: "0")...UInt8(ascii: "9")): true
        default: "-_.".utf8.contains(byte)
        }
    }

    private func escape(at index: Int, in path: inout [UInt8]) {
        let digits = Array("0123456789abcdef".utf8)
        let byte = path[index]
        path.replaceSubrange(index...index, with: [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]])
    }

    /// What a name stands for, and the bytes of the key in it; nil for what no key is written as.
    ///
    /// Other names than ``path(of:)`` gives may decode too: compare before believing.
    static func decode(_ name: String) -> (kind: Kind, bytes: [UInt8])? {
        let bytes = Array(name.utf8)
        let kind: Kind = hasSuffix(bytes, ".d") ? .folder : hasSuffix(bytes, ".~") ? .continuation : .object
        guard let decoded = unescape(kind == .object ? bytes[...] : bytes.dropLast(2)) else { return nil }
        return decoded.isEmpty ? nil : (kind, decoded)
    }

    private static func unescape(_ name: ArraySlice<UInt8>) -> [UInt8]? {
        var decoded: [UInt8] = []
        var rest = name
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                decoded.append(byte)
                continue
            }
            guard let byte = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16), rest.count >= 2 else {
                return nil
            }
            decoded.append(byte)
            rest = rest.dropFirst(2)
        }
        return decoded
    }

    private static func hasSuffix(_ name: some BidirectionalCollection<UInt8>, _ suffix: String) -> Bool {
        name.suffix(2).elementsEqual(suffix.utf8)
    }
}

extension String {
    /// A path's folder, `.` for the topmost, and its last name.
    var folderAndName: (folder: String, name: String) {
        guard let slash = utf8.lastIndex(of: UInt8(ascii: "/")) else { return (".", self) }
        return (String(self[..<slash]), String(self[index(after: slash)...]))
    }
}
