import Encodings
import FoundationEssentials
import Storage
import StorageWire

/// A snapshot: objects as JSON Lines, one after the other in the order of their keys.
///
///     {"snapshot":{"format":1,"exported":"2026-11-21T08:00:00.000Z","prefix":"","data":true}}
///     {"object":{"key":"a","size":5,"version":"1","digest":"SHA-256=…","modified":"…","metadata":{}}}
///     {"data":"aGVsbG8="}
///     {"statistics":{"objects":1,"bytes":5,"skipped":0,"finished":"…"}}
///
/// An object's line has the fields that the component's info has; `data` lines with its bytes in base64 follow it until
/// there are `size` of them. Where an object changed while it was read, `{"discard":"key"}` takes it back, and it follows
/// again. A snapshot without its last line is not whole.
public enum Snapshot {
    /// The format that is written, and the newest that is read.
    public static let format = 1

    /// What a snapshot begins with.
    public struct Header: Codable, Sendable, Hashable {
        /// The version of the format.
        public var format: Int
        /// When the export began, as RFC 3339.
        public var exported: String
        /// What all its keys begin with.
        public var prefix: String
        /// Whether it holds the objects' bytes, or their infos alone.
        public var data: Bool
    }

    /// What a snapshot ends with.
    public struct Statistics: Codable, Sendable, Hashable {
        /// The objects in it.
        public internal(set) var objects = 0
        /// Their bytes.
        public internal(set) var bytes = 0
        /// The keys that were listed, but gone when they were read.
        public internal(set) var skipped = 0
        /// When the export ended, as RFC 3339.
        public internal(set) var finished = ""
    }

    /// A chunk of an object's bytes on one line.
    static let chunk = 192 << 10
    /// The longest line that is read: an object's metadata are on one.
    static let maximumLine = 64 << 20

    enum Line: Sendable {
        case header(Header)
        case object(ObjectInfo)
        case data([UInt8])
        case discard(String)
        case statistics(Statistics)
    }

    private struct Fields: Codable {
        var snapshot: Header?
        var object: WireInfo?
        var data: String?
        var discard: String?
        var statistics: Statistics?
    }

    static func encode(_ line: Line) -> [UInt8] {
        var fields = Fields()
        switch line {
        case .header(let header): fields.snapshot = header
        case .object(let info): fields.object = WireInfo(info)
        case .data(let bytes): return Array("{\"data\":\"".utf8) + Data(bytes).base64EncodedData() + Array("\"}\n".utf8)
        case .discard(let key): fields.discard = key
        case .statistics(let statistics): fields.statistics = statistics
        }
        return JSON.encode(fields) + [UInt8(ascii: "\n")]
    }

    /// - Throws: `invalid` where it is no line of a snapshot.
    static func decode(_ line: [UInt8]) throws(StorageError) -> Line {
        let fields = try JSON.decode(Fields.self, from: line, what: "line")
        if let text = fields.data {
            guard let data = Data(base64Encoded: text) else { throw StorageError(.invalid, "the data is not base64") }
            return .data(Array(data))
        }
        if let object = fields.object {
            do throws(StorageError) {
                return .object(try object.info())
            } catch {
                throw StorageError(.invalid, "the object's info makes no sense: \(error.message)")
            }
        }
        if let header = fields.snapshot { return .header(header) }
        if let key = fields.discard { return .discard(key) }
        if let statistics = fields.statistics { return .statistics(statistics) }
        throw StorageError(.invalid, "the line is no line of a snapshot")
    }
}
