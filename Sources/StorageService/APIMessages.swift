import Encodings
import Storage
import StorageWire

/// A request on the `api` port. Of its `data` the bytes are kept as they stand: reading them into values would change
/// numbers, and fields that are there twice.
struct APIQuery {
    enum Action: String {
        case get, store, put, list, delete, info
    }

    private(set) var actionName = ""
    private(set) var key: String?
    private(set) var data: [UInt8]?
    private(set) var dataBase64: String?
    private(set) var prefix: String?
    private(set) var pattern: String?
    private(set) var delimiter: String?
    private(set) var startAfter: String?
    private(set) var limit: Int?

    /// Nil: there is no such action.
    var action: Action? { Action(rawValue: actionName) }

    /// Throws `invalid` where `payload` is not the JSON expected.
    init(_ payload: [UInt8]) throws(StorageError) {
        var hasAction = false
        // The field that is being read.
        var reading: String?
        do throws(JSONScanner.Malformed) {
            try JSONScanner.object(payload) { name, scanner throws(JSONScanner.Malformed) in
                reading = name
                if name == "action" { hasAction = true }
                try read(name, &scanner)
                reading = nil
            }
        } catch {
            let reason =
                reading.map { "“\($0.abbreviated)” does not parse, or has the wrong type" } ?? "it does not parse"
            throw StorageError(.invalid, "the request is not the JSON expected: \(reason)")
        }
        guard hasAction else {
            throw StorageError(.invalid, "the request is not the JSON expected: “action” is missing")
        }
    }

    private mutating func read(_ name: String, _ scanner: inout JSONScanner) throws(JSONScanner.Malformed) {
        func text() throws(JSONScanner.Malformed) -> String? {
            try scanner.optional { scanner throws(JSONScanner.Malformed) in try scanner.string() }
        }
        switch name {
        case "action": actionName = try scanner.string()
        case "key": key = try text()
        case "data": data = try scanner.raw()
        case "data_base64": dataBase64 = try text()
        case "prefix": prefix = try text()
        case "pattern": pattern = try text()
        case "delimiter": delimiter = try text()
        case "start_after": startAfter = try text()
        case "limit": limit = try scanner.optional { scanner throws(JSONScanner.Malformed) in try scanner.integer() }
        default: try scanner.skip()
        }
    }
}

/// A reply on the `api` port.
struct APIAnswer {
    var success = true
    var key: String?
    /// JSON, as it is stored.
    var data: [UInt8]?
    var dataBase64: String?
    var keys: [String]?
    var prefixes: [String]?
    var next: String?
    var deleted: Bool?
    var info: WireInfo?
    var error: String?
    var code: String?

    var encoded: [UInt8] {
        var writer = JSONWriter(reserving: 512 + (data?.count ?? 0) + (dataBase64?.utf8.count ?? 0))
        writer.object { writer in
            writer.field("success", success)
            for (name, text) in [
                ("key", key), ("data_base64", dataBase64), ("next", next), ("error", error), ("code", code),
            ] {
                if let text { writer.field(name, text) }
            }
            if let data { writer.field("data", json: data) }
            if let keys { writer.field("keys", keys) }
            if let prefixes { writer.field("prefixes", prefixes) }
            if let deleted { writer.field("deleted", deleted) }
            if let info { writer.field("info", json: JSON.encode(info)) }
        }
        return writer.bytes
    }
}
