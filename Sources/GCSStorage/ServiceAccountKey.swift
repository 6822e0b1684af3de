import CryptoExtras
import Encodings
import FoundationEssentials
import HTTP
public import Storage

/// The key of a service account, as the console hands it out in a file. Prints the account's address only.
public struct ServiceAccountKey: Sendable, CustomStringConvertible, CustomDebugStringConvertible {
    private struct Document: Decodable {
        var client_email: String
        var private_key: String
        var token_uri: String?
        var project_id: String?
    }

    private static let scope = "https://www.googleapis.com/auth/devstorage.read_write"

    /// The account's address.
    public let email: String
    /// Its project, where the key tells it.
    public let project: String?
    private let privateKey: String
    private let tokenEndpoint: String

    /// The key that a file holds.
    ///
    /// - Parameter json: the file's content.
    /// - Throws: `invalid` where it is no key that can sign.
    public init(json: String) throws(StorageError) {
        guard let document = try? JSONDecoder().decode(Document.self, from: Data(json.utf8)),
            (try? _RSA.Signing.PrivateKey(pemRepresentation: document.private_key)) != nil
        else {
            throw StorageError(
                .invalid, "the credentials are no service account's key: JSON with client_email and private_key")
        }
        email = document.client_email
        project = document.project_id
        privateKey = document.private_key
        tokenEndpoint = document.token_uri ?? "https://oauth2.googleapis.com/token"
    }

    /// The account's address.
    public var description: String { "service account \(email)" }

    /// The account's address.
    public var debugDescription: String { description }

    /// Trades a token that the key signed (RFC 7523) for one that the service takes.
    func tokenRequest() throws(StorageError) -> HTTPRequest {
        let now = Int64(Date.now.timeIntervalSince1970)
        let claims: [String: JSONValue] = [
            "iss": .string(email), "scope": .string(Self.scope), "aud": .string(tokenEndpoint), "iat": .integer(now),
            "exp": .integer(now + 3600),
        ]
        do {
            let parts = [Data(#"{"alg":"RS256","typ":"JWT"}"#.utf8), try JSONEncoder().encode(claims)]
            let text = parts.map(Self.encoded).joined(separator: ".")
            let signature = try _RSA.Signing.PrivateKey(pemRepresentation: privateKey)
                .signature(for: Data(text.utf8), padding: .insecurePKCS1v1_5)
            let form = [
                ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
                ("assertion", text + "." + Self.encoded(signature.rawRepresentation)),
            ]
            return HTTPRequest(
                .post, tokenEndpoint, headers: ["Content-Type": "application/x-www-form-urlencoded"],
                body: .bytes(Array(PercentEncoding.query(form).utf8)), timeout: .seconds(10))
        } catch {
            throw StorageError(.invalid, "\(self) can't sign", cause: error)
        }
    }

    private static func encoded(_ data: Data) -> String {
        String(Base64URL.encode(Array(data)).prefix { $0 != "=" })
    }
}

extension ServiceAccountKey: CustomReflectable {
    /// What a dump may show.
    public var customMirror: Mirror { Mirror(self, children: ["email": email]) }
}
