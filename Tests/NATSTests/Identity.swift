import Crypto
import Foundation
import NATS

/// An NKey pair that signs JWTs as NATS operators and accounts do.
struct Identity {
    enum Role: UInt8 {
        case `operator` = 14
        case account = 0
        case user = 20
    }

    private let key = Curve25519.Signing.PrivateKey()
    private let role: Role

    init(_ role: Role) {
        self.role = role
    }

    var publicKey: String { NKey.text([role.rawValue << 3] + Array(key.publicKey.rawRepresentation)) }

    /// `S` and the role's letter share the first two bytes.
    var seed: String {
        let (seedPrefix, rolePrefix) = (UInt8(18 << 3), role.rawValue << 3)
        let bytes = [seedPrefix | rolePrefix >> 5, (rolePrefix & 31) << 3]
        return NKey.text(bytes + Array(key.rawRepresentation))
    }

    /// A JWT that says who `subject` is, and what it may publish and subscribe to, unless that is everything.
    func sign(
        _ subject: Identity, type: String, publish: [String] = [], subscribe: [String] = []
    ) throws -> String {
        // A limit that is left out is none at all.
        let limits: [String: Any] = ["subs": -1, "data": -1, "payload": -1]
        let accountLimits = limits.merging(["conn": -1, "imports": -1, "exports": -1, "leaf": -1]) { $1 }
        var nats: [String: Any] = ["type": type, "version": 2]
        if type == "user" { nats.merge(limits) { $1 } }
        if !publish.isEmpty { nats["pub"] = ["allow": publish] }
        if !subscribe.isEmpty { nats["sub"] = ["allow": subscribe] }
        if type == "account" { nats["limits"] = accountLimits }
        let claims: [String: Any] = [
            "jti": UUID().uuidString, "iat": Int(Date.now.timeIntervalSince1970), "iss": publicKey, "name": type,
            "sub": subject.publicKey, "nats": nats,
        ]
        let header = try encode(["typ": "JWT", "alg": "ed25519-nkey"])
        let body = header + "." + (try encode(claims))
        return body + "." + base64URL(try key.signature(for: Data(body.utf8)))
    }

    /// A credentials file of this user, for a JWT.
    func credentials(_ token: String) -> String {
        """
        -----BEGIN NATS USER JWT-----
        \(token)
        ------END NATS USER JWT------

        -----BEGIN USER NKEY SEED-----
        \(seed)
        ------END USER NKEY SEED------
        """
    }

    private func encode(_ value: [String: Any]) throws -> String {
        base64URL(try JSONSerialization.data(withJSONObject: value))
    }

    private func base64URL(_ data: Data) -> String {
        data.base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }
}
