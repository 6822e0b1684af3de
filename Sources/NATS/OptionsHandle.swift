import CNATS
import Glibc
import Waiting

/// Owns the library's options while a connection is made.
final class OptionsHandle {
    let pointer: OpaquePointer

    init(_ options: NATSOptions) throws(NATSError) {
        var pointer: OpaquePointer?
        try check(natsOptions_Create(&pointer), "creating options")
        guard let pointer else { throw NATSError(.internalError, "creating options gave nothing") }
        self.pointer = pointer
        try setServers(options.urls)
        try setBehaviour(options)
        try setCredentials(options.credentials)
        // The library takes the scheme and ignores it: a password would go out in the clear.
        if let tls = options.tls ?? (options.urls.contains(where: ServerURL.isSecure) ? .init() : nil) {
            try setTLS(tls)
        }
    }

    deinit {
        natsOptions_Destroy(pointer)
    }

    private func setServers(_ urls: [String]) throws(NATSError) {
        let copies = urls.map { strdup($0) }
        defer { copies.forEach { free($0) } }
        var servers = copies.map { UnsafePointer($0) }
        try check(
            natsOptions_SetServers(pointer, &servers, Int32(servers.count)),
            "the server's URL \(urls.map(ServerURL.withoutCredentials).joined(separator: ", "))")
    }

    private func setBehaviour(_ options: NATSOptions) throws(NATSError) {
        if !options.name.isEmpty { try check(natsOptions_SetName(pointer, options.name), "the connection's name") }
        try check(natsOptions_SetTimeout(pointer, options.connectTimeout.milliseconds), "connect timeout")
        try check(natsOptions_SetReconnectWait(pointer, options.reconnectWait.milliseconds), "reconnect wait")
        try check(natsOptions_SetMaxReconnect(pointer, Int32(clamping: options.maxReconnects)), "max reconnects")
        try check(natsOptions_SetPingInterval(pointer, options.pingInterval.milliseconds), "ping interval")
        try check(natsOptions_SetWriteDeadline(pointer, options.writeDeadline.milliseconds), "write deadline")
        // Without it every request waits for the flusher's next turn.
        try check(natsOptions_SetSendAsap(pointer, true), "send asap")
        // The library drops the newest message in silence: the bound is our own queue, which says so.
        try check(natsOptions_SetMaxPendingMsgs(pointer, 1_000_000), "pending messages")
    }

    private func setCredentials(_ credentials: NATSOptions.Credentials) throws(NATSError) {
        switch credentials {
        case .none:
            break
        case .userPassword(let user, let password):
            try check(natsOptions_SetUserInfo(pointer, user, password), "user and password")
        case .token(let token):
            try check(natsOptions_SetToken(pointer, token), "token")
        case .nkey(let seedFile):
            let publicKey = try NKey.publicKey(seedFile: seedFile)
            try check(natsOptions_SetNKeyFromSeed(pointer, publicKey, seedFile), "NKey from \(seedFile)")
        case .credentialsFile(let path):
            try check(natsOptions_SetUserCredentialsFromFiles(pointer, path, nil), "credentials file \(path)")
        }
    }

    private func setTLS(_ tls: NATSOptions.TLS) throws(NATSError) {
        try check(natsOptions_SetSecure(pointer, true), "TLS")
        if let ca = tls.ca { try check(natsOptions_LoadCATrustedCertificates(pointer, ca), "CA file \(ca)") }
        switch (tls.certificate, tls.key) {
        case (nil, nil): break
        case (let certificate?, let key?):
            try check(
                natsOptions_LoadCertificatesChain(pointer, certificate, key), "certificate \(certificate), key \(key)")
        default: throw NATSError(.invalidArgument, "a client certificate needs its key, and a key its certificate")
        }
        if tls.skipVerification {
            try check(natsOptions_SkipServerVerification(pointer, true), "skipping verification")
        }
    }
}
