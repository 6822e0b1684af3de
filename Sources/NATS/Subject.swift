/// The grammar of subjects, which the library does not check.
package enum Subject {
    /// Throws `invalidArgument` unless `subject` may be published to (or, with `wildcards`, subscribed to).
    package static func validate(_ subject: String, wildcards: Bool = false) throws(NATSError) {
        var isFine = true
        var (length, first, mayGoOn) = (0, UInt8(0), true)
        for byte in subject.utf8 {
            if byte == UInt8(ascii: ".") {
                isFine = isFine && endsToken(length, first, wildcards) && mayGoOn
                length = 0
                continue
            }
            if length == 0 { first = byte }
            length += 1
            mayGoOn = byte != UInt8(ascii: ">") || length > 1
            isFine = isFine && byte > 0x20 && byte != 0x7f
        }
        isFine = isFine && endsToken(length, first, wildcards)
        // Over a control line of more than 4096 bytes servers cut the connection, and the library does not come back.
        guard isFine, subject.utf8.count <= 1900 else {
            throw NATSError(.invalidArgument, "“\(subject)” is not a valid subject")
        }
    }

    /// Whether there are subjects that both take, each of which may hold wildcards.
    package static func overlap(_ first: String, _ second: String) -> Bool {
        let (first, second) = (first.split(separator: "."), second.split(separator: "."))
        for (one, other) in zip(first, second) {
            if one == ">" || other == ">" { return true }
            guard one == other || one == "*" || other == "*" else { return false }
        }
        return first.count == second.count
    }

    /// A token of `length` bytes may be anything but empty, or a wildcard where none is meant.
    private static func endsToken(_ length: Int, _ first: UInt8, _ wildcards: Bool) -> Bool {
        length > 1 || length == 1 && (wildcards || first != UInt8(ascii: "*") && first != UInt8(ascii: ">"))
    }
}
