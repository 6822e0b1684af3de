import Foundation
import TestSupport

/// The repository's files.
enum Deployment {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardized

    static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appending(path: "deploy/\(path)"), encoding: .utf8)
    }

    /// The server configuration `path`, with values for the variables that it takes from the environment.
    static func configuration(_ path: String, _ values: [String: String]) throws -> String {
        values.map { "\($0.key): \"\($0.value)\"\n" }.sorted().joined() + (try text(path))
    }
}
