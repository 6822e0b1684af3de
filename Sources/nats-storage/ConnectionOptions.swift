import ArgumentParser
import Foundation
import NATS

/// Who a command is to NATS, and how the connection is secured.
struct ConnectionOptions: ParsableArguments {
    @Option(help: "A NATS credentials file.") var creds: String?
    @Option(help: "A file that holds an NKey's seed.") var nkey: String?
    @Option(help: "The authorities that the server's certificate may be of; a file.") var tlsCa: String?
    @Option(help: "The client's certificate, for mutual TLS; a file.") var tlsCertificate: String?
    @Option(help: "The certificate's key; a file.") var tlsKey: String?
    @Option(help: "What the subjects of replies begin with, where permissions ask for it.") var inboxPrefix: String?

    func validate() throws {
        guard creds == nil || nkey == nil else { throw ValidationError("--creds and --nkey exclude one another") }
        guard (tlsCertificate == nil) == (tlsKey == nil) else {
            throw ValidationError("--tls-certificate and --tls-key belong together")
        }
    }

    /// Adds what was given to `options`.
    func apply(to options: inout NATSOptions) {
        if let creds { options.credentials = .credentialsFile(creds) }
        if let nkey { options.credentials = .nkey(seedFile: nkey) }
        if let inboxPrefix { options.inboxPrefix = inboxPrefix }
        guard tlsCa != nil || tlsCertificate != nil else { return }
        var tls = options.tls ?? NATSOptions.TLS()
        tls.ca = tlsCa ?? tls.ca
        tls.certificate = tlsCertificate ?? tls.certificate
        tls.key = tlsKey ?? tls.key
        options.tls = tls
    }
}

extension NATSOptions {
    /// The servers that `--server` names, or else `NATS_URL`; empty is as not given.
    static func servers(_ option: String?) -> [String] {
        let given = [option, ProcessInfo.processInfo.environment["NATS_URL"]].map { ServerURL.list($0 ?? "") }
        return given.first { !$0.isEmpty } ?? NATSOptions().urls
    }
}
