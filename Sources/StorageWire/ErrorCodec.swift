import FoundationEssentials
package import Storage

/// Errors over the wire: status and sentence in headers, code, class and sentence in the body.
package enum ErrorCodec {
    private struct Body: Codable {
        var error: Detail
    }

    package struct Detail: Codable, Sendable {
        package var code: String
        package var `class`: String
        package var message: String

        package init(_ error: StorageError) {
            code = ErrorCodec.code(error.kind)
            self.class = error.errorClass.rawValue
            message = error.description
        }
    }

    /// How a kind of error is called.
    package static func code(_ kind: StorageError.Kind) -> String {
        // Cancelled by a shutdown: for the caller the component is not available.
        (kind == .cancelled ? StorageError.Kind.unavailable : kind).rawValue
    }

    package static func status(of kind: StorageError.Kind) -> Int {
        switch kind {
        case .invalid: 400
        case .notFound: 404
        case .timeout: 408
        case .preconditionFailed: 412
        case .tooLarge: 413
        case .rangeNotSatisfiable: 416
        case .digestMismatch: 422
        case .throttled: 429
        case .internal: 500
        case .unsupported: 501
        case .unavailable, .cancelled: 503
        }
    }

    /// The reply that tells of `error`.
    package static func encode(_ error: StorageError) -> (headers: WireHeaders, payload: [UInt8]) {
        let detail = Detail(error)
        var headers: WireHeaders = [
            (WireHeader.errorCode, String(status(of: error.kind))), (WireHeader.error, oneLine(detail.message)),
        ]
        if let version = error.currentVersion { headers.append((WireHeader.version, version.description)) }
        if let size = error.size { headers.append((WireHeader.size, String(size))) }
        if let wait = error.retryAfter {
            headers.append((WireHeader.retryAfter, String(max(1, Int(wait.seconds.rounded(.up))))))
        }
        return (headers, JSON.encode(Body(error: detail)))
    }

    /// The error that a reply tells of; nil where it is a success.
    package static func decode(_ headers: WireHeaders, _ payload: [UInt8]) -> StorageError? {
        guard let status = headers.first(WireHeader.errorCode) else { return nil }
        let detail = try? JSON.decode(Body.self, from: payload, what: "error").error
        let kind =
            detail.flatMap { StorageError.Kind(rawValue: $0.code) }
            ?? StorageError.Kind.allCases.first { String(Self.status(of: $0)) == status } ?? .internal
        let message = detail?.message ?? headers.first(WireHeader.error) ?? "the component answered \(status)"
        var error = StorageError(kind, message, class: detail.flatMap { StorageError.Class(rawValue: $0.class) })
        error.currentVersion = headers.first(WireHeader.version).map { Version($0) }
        error.size = headers.first(WireHeader.size).flatMap { Int($0) }
        error.retryAfter = headers.first(WireHeader.retryAfter).flatMap { Int($0) }.map { .seconds($0) }
        return error
    }

    private static func oneLine(_ text: String) -> String {
        String(decoding: text.utf8.map { $0 < 0x20 ? 0x20 : $0 }, as: UTF8.self)
    }
}

/// JSON of the contract's documents.
package enum JSON {
    package static func encode(_ value: some Encodable) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes, .sortedKeys]
        // The documents are of strings, numbers and dictionaries of them: they always encode.
        return (try? encoder.encode(value)).map { Array($0) } ?? []
    }

    package static func decode<Value: Decodable>(
        _ type: Value.Type, from bytes: [UInt8], what: String
    ) throws(StorageError) -> Value {
        do {
            return try JSONDecoder().decode(type, from: Data(bytes))
        } catch {
            throw StorageError(.invalid, "the \(what) is not the JSON expected: \(reason(error))")
        }
    }

    private static func reason(_ error: any Error) -> String {
        switch error as? DecodingError {
        case .keyNotFound(let key, _)?: "“\(key.stringValue)” is missing"
        case .typeMismatch(_, let context)?, .valueNotFound(_, let context)?:
            "“\(context.codingPath.map(\.stringValue).joined(separator: "."))” has the wrong type"
        default: "it does not parse"
        }
    }
}
