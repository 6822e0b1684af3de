import CNATS

/// A validated message on its way out.
struct Outgoing: Sendable {
    let subject: String
    let headers: NATSHeaders
    let payload: [UInt8]
    var reply: String?

    init(
        _ subject: String, _ headers: NATSHeaders, _ payload: [UInt8], _ reply: String?, _ limit: Int
    ) throws(NATSError) {
        try Subject.validate(subject)
        if let reply { try Subject.validate(reply) }
        try headers.validate()
        guard payload.count <= limit else {
            throw NATSError(
                .maxPayload, "\(payload.count) bytes to “\(subject)” are over the server's limit of \(limit)")
        }
        self.subject = subject
        self.headers = headers
        self.payload = payload
        self.reply = reply
    }

    func write(to connection: ConnectionHandle) throws(NATSError) {
        guard headers.isEmpty else { return try writeWithHeaders(to: connection) }
        try connection.send("publishing to “\(subject)”") {
            payload.withUnsafeBytes { bytes in
                let length = Int32(clamping: bytes.count)
                return if let reply {
                    natsConnection_PublishRequest(connection.pointer, subject, reply, bytes.baseAddress, length)
                } else {
                    natsConnection_Publish(connection.pointer, subject, bytes.baseAddress, length)
                }
            }
        }
    }

    private func writeWithHeaders(to connection: ConnectionHandle) throws(NATSError) {
        var message: OpaquePointer?
        let created = payload.withUnsafeBytes { bytes in
            natsMsg_Create(
                &message, subject, reply, bytes.baseAddress?.assumingMemoryBound(to: CChar.self),
                Int32(clamping: bytes.count))
        }
        try check(created, "making a message to “\(subject)”")
        defer { if let message { Discards.add(message) } }
        for (name, value) in headers.fields {
            try check(natsMsgHeader_Add(message, name, value), "header “\(name)”")
        }
        try connection.send("publishing to “\(subject)”") { natsConnection_PublishMsg(connection.pointer, message) }
    }
}
