import Foundation

/// The documents of the repository, and the code in them.
enum Documents {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardized

    /// The manual: the README and what it leads to in `docs`.
    static func manual() throws -> [URL] {
        let docs = root.appending(path: "docs")
        return [root.appending(path: "README.md")] + articles(docs)
    }

    /// The manual, and the articles of every module.
    static func all() throws -> [(name: String, text: String)] {
        try (manual() + articles(root.appending(path: "Sources"))).map {
            ($0.lastPathComponent, try String(contentsOf: $0, encoding: .utf8))
        }
    }

    private static func articles(_ folder: URL) -> [URL] {
        let files = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)?.allObjects as? [URL]
        return (files ?? []).filter { $0.pathExtension == "md" }.sorted { $0.path < $1.path }
    }

    /// What a page calls its headings, for links into it.
    static func anchors(_ text: String) -> [String] {
        text.components(separatedBy: "\n").filter { $0.hasPrefix("#") }.map { line in
            let title = line.drop { $0 == "#" || $0 == " " }.lowercased()
            return String(title.filter { $0.isLetter || $0.isNumber || $0 == " " || $0 == "-" })
                .replacing(" ", with: "-")
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
