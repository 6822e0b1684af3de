import HTTP
import Storage

/// The shared files of AWS' tools: `~/.aws/credentials` and `~/.aws/config`.
struct SharedFiles: Sendable {
    private let profiles: [String: [String: String]]

    /// Reads what there is; a missing file holds nothing.
    init(environment: [String: String]) async {
        let home = environment["HOME"] ?? "/"
        let credentials = environment["AWS_SHARED_CREDENTIALS_FILE"] ?? home + "/.aws/credentials"
        let config = environment["AWS_CONFIG_FILE"] ?? home + "/.aws/config"
        var profiles = Self.parse(await TextFile.read(config) ?? "", isConfig: true)
        for (name, values) in Self.parse(await TextFile.read(credentials) ?? "", isConfig: false) {
            profiles[name, default: [:]].merge(values) { $1 }
        }
        self.profiles = profiles
    }

    /// The settings of a profile; nil where there is none.
    func profile(_ name: String) -> [String: String]? { profiles[name] }

    /// Sections and `key = value`; comments begin with `#` or `;`. Indented lines belong to nested settings, which are
    /// not for S3.
    static func parse(_ text: String, isConfig: Bool) -> [String: [String: String]] {
        var profiles: [String: [String: String]] = [:]
        var section: String?
        for line in text.split(whereSeparator: \.isNewline) {
            guard let first = line.first, first != "#", first != ";", !first.isWhitespace else { continue }
            if first == "[", let end = line.firstIndex(of: "]") {
                section = name(line[line.index(after: line.startIndex)..<end], isConfig: isConfig)
            } else if let section, let mark = line.firstIndex(of: "=") {
                let value = String(line[line.index(after: mark)...]).split(separator: " #").first ?? ""
                profiles[section, default: [:]][trimmed(line[..<mark]).lowercased()] = trimmed(value)
            }
        }
        return profiles
    }

    private static func name(_ section: Substring, isConfig: Bool) -> String? {
        let words = section.split(whereSeparator: \.isWhitespace)
        guard isConfig, words.first != "default" else { return words.first.map(String.init) }
        return words.count == 2 && words[0] == "profile" ? String(words[1]) : nil
    }

    private static func trimmed(_ text: Substring) -> String {
        String(text.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }
}

/// A profile of the shared files, read anew each time: tools rewrite them.
struct ProfileCredentials: CredentialProvider {
    let name: String
    let isRequired: Bool
    let environment: [String: String]

    func credentials() async throws(StorageError) -> S3Credentials? {
        let profile = await SharedFiles(environment: environment).profile(name)
        if let id = profile?["aws_access_key_id"], let secret = profile?["aws_secret_access_key"] {
            return S3Credentials(
                accessKeyID: id, secretAccessKey: secret, sessionToken: profile?["aws_session_token"])
        }
        guard isRequired else { return nil }
        throw StorageError(
            .internal, "the profile “\(name.abbreviated)” has no access key in the shared credentials file",
            class: .fatal)
    }
}
