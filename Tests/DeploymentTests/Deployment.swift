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

/// A folder that goes with its owner.
final class Folder: Sendable {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("deployment-\(UUID().uuidString)")

    init() throws {
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    /// Writes a file; its path.
    func write(_ text: String, _ name: String) throws -> String {
        let file = url.appendingPathComponent(name)
        try text.write(to: file, atomically: true, encoding: .utf8)
        return file.path
    }
}
