import Foundation

/// The documents of the repository, and the code in them.
enum Documents {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardized

    /// The manual, and the articles of every module.
    static func all() throws -> [(name: String, text: String)] {
        let sources = root.appending(path: "Sources")
        let files = FileManager.default.enumerator(at: sources, includingPropertiesForKeys: nil)?.allObjects as? [URL]
        let articles = (files ?? []).filter { $0.pathExtension == "md" }.sorted { $0.path < $1.path }
        return try ([root.appending(path: "README.md")] + articles).map {
            ($0.lastPathComponent, try String(contentsOf: $0, encoding: .utf8))
        }
    }

    static func text(_ name: String) throws -> String {
        try all().filter { $0.name == name }.map(\.text).joined()
    }

    /// The blocks of one language.
    static func blocks(_ language: String, in text: String) -> [String] {
        text.components(separatedBy: "```\(language)\n").dropFirst().map {
            String($0.prefix(upTo: $0.firstRange(of: "\n```")?.lowerBound ?? $0.endIndex))
        }
    }
}
