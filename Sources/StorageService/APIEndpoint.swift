import Encodings
import FoundationEssentials
import Storage
import StorageWire

/// JSON in, JSON out, for clients that know no headers.
struct APIEndpoint: Endpoint {
    let context: InstanceContext

    /// What the request asks for, where it is one of the actions there are.
    func operation(_ request: Request) -> String? {
        (try? APIQuery(request.payload).action?.rawValue) ?? "unknown"
    }

    func reply(to error: StorageError) -> Reply {
        var reply = Reply(error)
        let detail = ErrorCodec.Detail(error)
        reply.payload = APIAnswer(success: false, error: detail.message, code: detail.code).encoded
        return reply
    }

    func answer(_ request: Request) async throws(StorageError) -> Reply {
        let query = try APIQuery(request.payload)
        do throws(StorageError) {
            var reply = try await perform(query, request)
            reply.operation = query.action?.rawValue
            return reply
        } catch {
            var error = error
            error.key = error.key ?? query.key
            throw error
        }
    }

    private func reply(_ answer: APIAnswer) throws(StorageError) -> Reply {
        let reply = Reply(payload: answer.encoded)
        guard reply.size > context.maxReply() else { return reply }
        throw StorageError(.tooLarge, "the answer does not fit one reply; use the get or list port")
    }

    private func perform(_ query: APIQuery, _ request: Request) async throws(StorageError) -> Reply {
        switch query.action {
        case .get: return try await get(try key(query), request)
        case .store: return try await store(try context.generatedKey(content(query, request)), query, request)
        case .put: return try await store(try key(query), query, request)
        case .info:
            let options = InfoOptions(ifMatch: request.ifMatch)
            let info = try await context.store.info(try key(query), options: options)
            return try reply(APIAnswer(key: info.key.rawValue, info: WireInfo(info)))
        case .delete:
            let key = try key(query)
            let precondition = try RequestCodec.precondition(in: request.headers)
            let deleted = try await context.delete(key, precondition, request)
            return try reply(APIAnswer(key: key.rawValue, deleted: deleted))
        case .list: return try reply(try await list(query))
        case nil:
            throw StorageError(
                .invalid, "action “\(query.actionName.abbreviated)” is not get, store, put, list, delete or info")
        }
    }

    private func key(_ query: APIQuery) throws(StorageError) -> ObjectKey {
        guard let key = query.key else { throw StorageError(.invalid, "action “\(query.actionName)” needs a key") }
        return try ObjectKey(validating: key)
    }

    private func bytes(_ query: APIQuery) throws(StorageError) -> [UInt8] {
        if let text = query.dataBase64 {
            guard let data = Data(base64Encoded: text) else {
                throw StorageError(.invalid, "data_base64 is not base64")
            }
            return Array(data)
        }
        guard let data = query.data else { throw StorageError(.invalid, "data or data_base64 is missing") }
        return data
    }

    private func content(_ query: APIQuery, _ request: Request) throws(StorageError) -> Request {
        var content = request
        content.payload = try bytes(query)
        return content
    }

    private func store(
        _ key: ObjectKey, _ query: APIQuery, _ request: Request
    ) async throws(StorageError) -> Reply {
        var options = try RequestCodec.putOptions(in: request.headers)
        if query.dataBase64 == nil, options.attributes.contentType == nil {
            options.attributes.contentType = "application/json"
        }
        let info = try await context.put(key, ObjectBody(try bytes(query)), options, request)
        return try reply(APIAnswer(key: info.key.rawValue, info: WireInfo(info)))
    }

    private func get(_ key: ObjectKey, _ request: Request) async throws(StorageError) -> Reply {
        let object = try await context.store.get(key, options: GetOptions(ifMatch: request.ifMatch))
        let bytes = try await object.body.collect(upTo: context.maxReply())
        var answer = APIAnswer(key: key.rawValue, info: WireInfo(object.info))
        if JSONScanner.isJSON(bytes) {
            answer.data = bytes
        } else {
            answer.dataBase64 = Data(bytes).base64EncodedString()
        }
        let reply = try reply(answer)
        context.events.retrieved(object.info, request)
        return reply
    }

    private func list(_ query: APIQuery) async throws(StorageError) -> APIAnswer {
        var listing = ListQuery(
            prefix: query.prefix ?? "", delimiter: query.delimiter, startAfter: query.startAfter,
            limit: query.limit ?? 1000)
        if let pattern = query.pattern { listing.pattern = try KeyPattern(validating: pattern) }
        let page = try await context.list(listing)
        return APIAnswer(
            keys: page.keys.map(\.rawValue), prefixes: query.delimiter == nil ? nil : page.prefixes, next: page.next)
    }
}
