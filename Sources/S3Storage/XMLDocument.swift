import Foundation
import FoundationXML

/// An element of an S3 document: its text, or its children.
struct XMLElement: Sendable {
    var name: String
    var text = ""
    var children: [XMLElement] = []

    /// The first child of that name.
    subscript(_ name: String) -> XMLElement? { children.first { $0.name == name } }

    /// All children of that name.
    func all(_ name: String) -> [XMLElement] { children.filter { $0.name == name } }

    /// The text of the first child of that name.
    func text(_ name: String) -> String? { self[name]?.text }

    /// What an object's element says of its size: 0 where that is no size.
    var size: Int { max(0, text("Size").flatMap { Int($0) } ?? 0) }
}

/// Reads and writes the few XML documents of S3.
///
/// With Foundation's parser: it comes with the toolchain, while a decoder by types would be one more dependency to
/// build for a dozen fields. External entities are not loaded.
enum XMLDocument {
    /// No document of S3 is nested deeper.
    private static let maximumDepth = 16

    /// The root; nil where `bytes` are not a document.
    static func parse(_ bytes: [UInt8]) -> XMLElement? {
        let parser = XMLParser(data: Data(bytes))
        let builder = Builder()
        parser.delegate = builder
        parser.shouldResolveExternalEntities = false
        return parser.parse() ? builder.root : nil
    }

    /// Text as it may stand in an element.
    static func escape(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            case "\r": escaped += "&#13;"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }

    private final class Builder: NSObject, XMLParserDelegate {
        private var open: [XMLElement] = []
        private(set) var root: XMLElement?

        func parser(
            _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
            attributes: [String: String]
        ) {
            guard open.count < maximumDepth else { return parser.abortParsing() }
            open.append(XMLElement(name: name.split(separator: ":").last.map(String.init) ?? name))
        }

        func parser(_ parser: XMLParser, foundCharacters text: String) {
            guard !open.isEmpty else { return }
            open[open.count - 1].text += text
        }

        func parser(
            _ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?
        ) {
            guard let element = open.popLast() else { return }
            if open.isEmpty { root = element } else { open[open.count - 1].children.append(element) }
        }
    }
}
