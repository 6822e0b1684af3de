import CNATS

/// Message headers: in order, repeatable, with case-sensitive names.
public struct NATSHeaders: Sendable, ExpressibleByDictionaryLiteral {
    /// Name and value of each, in order.
    public private(set) var fields: [(name: String, value: String)] = []
    /// Whether a received message held what is no header, or not UTF-8: it is left out.
    public internal(set) var isMalformed = false

    /// No headers.
    public init() {}

    /// These headers, in order.
    public init(_ pairs: [(String, String)]) {
        fields = pairs.map { (name: $0.0, value: $0.1) }
    }

    /// These headers, in order.
    public init(dictionaryLiteral elements: (String, String)...) {
        self.init(elements)
    }

    /// Whether there is none.
    public var isEmpty: Bool { fields.isEmpty }

    /// The first value under `name`.
    public func first(_ name: String) -> String? {
        fields.first { $0.name == name }?.value
    }

    /// Every value under `name`, in order.
    public func all(_ name: String) -> [String] {
        fields.filter { $0.name == name }.map(\.value)
    }

    /// Adds a value.
    public mutating func append(_ name: String, _ value: String) {
        fields.append((name: name, value: value))
    }

    /// Replaces every value under `name` by one.
    public mutating func set(_ name: String, _ value: String) {
        remove(name)
        append(name, value)
    }

    /// Removes every value under `name`.
    public mutating func remove(_ name: String) {
        fields.removeAll { $0.name == name }
    }

    /// Throws `invalidArgument` for names and values that would break the protocol's lines.
    func validate() throws(NATSError) {
        for (name, value) in fields {
            let nameIsFine = !name.isEmpty && name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: ":") }
            guard nameIsFine else { throw NATSError(.invalidArgument, "header name “\(name)” is not valid") }
            guard value.utf8.allSatisfy({ $0 != 0x0d && $0 != 0x0a && $0 != 0 }) else {
                throw NATSError(.invalidArgument, "the value of header “\(name)” holds a line break or NUL")
            }
        }
    }
}

/// A message as it was received, copied out of the library.
public struct NATSMessage: Sendable {
    /// The subject it came on.
    public var subject: String
    /// Where to answer, where an answer is wanted.
    public var reply: String?
    /// Its bytes.
    public var payload: [UInt8]
    /// The status of a status message (`503`, `404`, `100`…); nil for data.
    public var status: Int?
    /// Its headers as they stand on the wire, where nobody has set others.
    private var block: [UInt8]
    private var set: NATSHeaders?

    /// A message of these parts.
    public init(subject: String, reply: String? = nil, headers: NATSHeaders = [:], payload: [UInt8] = []) {
        self.subject = subject
        self.reply = reply
        self.payload = payload
        block = []
        set = headers.isEmpty && !headers.isMalformed ? nil : headers
    }

    /// Its headers; those of a received message are read anew at each call.
    public var headers: NATSHeaders {
        get { set ?? block.withUnsafeBytes { HeaderBlock($0).headers } }
        set { set = newValue }
    }

    /// The first value under `name`, of a received message without reading the others.
    func firstHeader(_ name: StaticString) -> String? {
        if let set { return set.first(name.description) }
        return block.withUnsafeBytes { HeaderBlock.first(name, in: $0) }
    }

    /// The status message's text.
    public var statusDescription: String? {
        block.withUnsafeBytes { HeaderBlock($0).statusDescription }
    }

    /// Throws what a status message says in place of an answer of `subject`.
    func refuseStatus(from subject: String) throws(NATSError) {
        guard let status else { return }
        if status == 503 { throw NATSError(.noResponders, "nobody listens on “\(subject)”") }
        throw NATSError(.status(status), "“\(subject)” answered \(status) \(statusDescription ?? "")")
    }

    /// What the server answers where nobody listens on `subject`.
    static func noResponders(on subject: String) -> NATSMessage {
        var message = NATSMessage(subject: subject)
        message.status = 503
        return message
    }

    /// Copies a library's message, whose subject is `subject` where that is known already; called in its callback.
    init(copying message: OpaquePointer, subject: String? = nil) {
        self.subject = subject ?? natsMsg_GetSubject(message).map { String(cString: $0) } ?? ""
        reply = natsMsg_GetReply(message).map { String(cString: $0) }
        let length = Int(natsMsg_GetDataLength(message))
        let data = natsMsg_GetData(message).map { UnsafeRawBufferPointer(start: $0, count: max(0, length)) }
        payload = data.map { Array($0) } ?? []
        block = HeaderBlock.bytes(of: message)
        status = block.isEmpty ? nil : block.withUnsafeBytes { HeaderBlock.status(in: $0) }
    }
}
