import FoundationEssentials
import Storage
import StorageWire

/// JSON in, JSON out, for clients that know no headers.
struct APIEndpoint: Endpoint {
    private struct Query: Decodable {
        let action: String
        let key: String?
        let data: JSONValue?
        let data_base64: String?
        let prefix: String?
        let pattern: String?
        let delimiter: String?
        let start_after: String?
        let limit: Int?
    }

    private struct Answer: Encodable {
        var success = true
        var key: String?
        var data: JSONValue?
        var data_base64: String?
        var keys: [String]?
        var next: String?
        var deleted: Bool?
        var info: WireInfo?
        var error: String?
        var code: String?
    }

    let context: InstanceContext

    /// The actions there are.
    private static let actions: Set = ["get", "store", "put", "list", "delete", "info"]

    func operation(_ request: Request) -> String? { "unknown" }

    func answer(_ request: Request) async throws(StorageError) -> Reply {
        var operation: String?
        do throws(StorageError) {
            let query = try JSON.decode(Query.self, from: request.payload, what: "request")
            operation = Self.actions.contains(query.action) ? query.action : nil
            var reply = Reply(json: try await perform(query, request))
            reply.operation = operation
            guard reply.size <= context.maxReply() else {
                throw StorageError(.tooLarge, "the answer does not fit one reply; use the get or list port")
            }
            return reply
        } catch {
            var reply = Reply(error)
            let detail = ErrorCodec.Detail(error)
            reply.operation = operation
            reply.payload = JSON.encode(Answer(success: false, error: detail.message, code: detail.code))
            return reply
        }
    }

    private func perform(_ query: Query, _ request: Request) async throws(StorageError) -> Answer {
        switch query.action {
        case "get": return try await get(try key(query), request)
        case "store": return try await store(try context.generatedKey(content(query, request)), query, request)
        case "put": return try await store(try key(query), query, request)
        case "info":
            let info = try await context.store.info(try key(query))
            return Answer(key: info.key.rawValue, info: WireInfo(info))
        case "delete":
            let key = try key(query)
            return Answer(key: key.rawValue, deleted: try await context.delete(key, .none, request))
        case "list": return try await list(query)
        default:
            throw StorageError(
                .invalid, "action “\(query.action.abbreviated)” is not get, store, put, list, delete or info")
        }
    }

    private func key(_ query: Query) throws(StorageError) -> ObjectKey {
        guard let key = query.key else { throw StorageError(.invalid, "action “\(query.action)” needs a key") }
        return try ObjectKey(validating: key)
    }

    private func bytes(_ query: Query) throws(StorageError) -> [UInt8] {
        if let text = query.data_base64 {
            guard let data = Data(base64Encoded: text) else {
                throw StorageError(.invalid, "data_base64 is not base64")
            }
            return Array(data)
        }
        guard let data = query.data else { throw StorageError(.invalid, "data or data_base64 is missing") }
        return JSON.encode(data)
    }

    private func content(_ query: Query, _ request: Request) throws(StorageError) -> Request {
        var content = request
        content.payload = try bytes(query)
        return content
    }

    private func store(_ key: ObjectKey, _ query: Query, _ request: Request) async throws(StorageError) -> Answer {
        var options = try RequestCodec.putOptions(in: request.headers)
        if query.data_base64 == nil, options.attributes.contentType == nil {
            options.attributes.contentType = "application/json"
        }
        let info = try await context.put(key, ObjectBody(try bytes(query)), options, request)
        return Answer(key: info.key.rawValue, info: WireInfo(info))
    }

    private func get(_ key: ObjectKey, _ request: Request) async throws(StorageError) -> Answer {
        let object = try await context.store.get(key)
        let bytes = try await object.body.collect(upTo: context.maxReply())
        context.events.succeeded(.retrieved, object.info, request)
        var answer = Answer(key: key.rawValue, info: WireInfo(object.info))
        answer.data = JSONValue.parse(bytes)
        if answer.data == nil { answer.data_base64 = Data(bytes).base64EncodedString() }
        return answer
    }

    private func list(_ query: Query) async throws(StorageError) -> Answer {
        var listing = ListQuery(
            prefix: query.prefix ?? "", delimiter: query.delimiter, startAfter: query.start_after,
            limit: query.limit ?? 1000)
        if let pattern = query.pattern { listing.pattern = try KeyPattern(validating: pattern) }
        let page = try await context.list(listing)
        return Answer(keys: page.keys.map(\.rawValue), next: page.next)
    }
}
