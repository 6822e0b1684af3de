import FoundationEssentials
import HTTP
import Storage

/// Why a request failed, as the service or the transport says it.
struct GCSFailure: Error, Sendable {
    /// The status; 0 where there was no answer.
    var status = 0
    /// Google's reason, such as `conditionNotMet`.
    var reason = ""
    var message: String
    var retryAfter: Duration?
    var transport: HTTPError?
    /// Why nothing was sent, or an answer was not taken.
    var refusal: StorageError?

    private struct Document: Decodable {
        struct Failure: Decodable {
            struct Detail: Decodable { var reason: String? }
            var message: String?
            var errors: [Detail]?
        }
        var error: Failure?
    }

    init(_ error: HTTPError) {
        transport = error
        message = error.message
    }

    init(refusal: StorageError) {
        self.refusal = refusal
        message = refusal.message
    }

    init(status: Int, headers: HTTPHeaders, body: [UInt8]) {
        self.status = status
        let failure = try? JSONDecoder().decode(Document.self, from: Data(body)).error
        reason = failure?.errors?.first?.reason ?? ""
        message = failure?.message ?? "status \(status)"
        retryAfter = headers["Retry-After"].flatMap { Int($0) }.map { .seconds(min(max($0, 0), 300)) }
    }

    /// An answer that makes no sense.
    init(nonsense message: String) {
        self.init(refusal: StorageError(.internal, message))
    }

    var isMissing: Bool { status == 404 }
    var isPrecondition: Bool { status == 412 }

    /// Whether the same request may succeed later.
    var isTransient: Bool {
        if let transport { return transport.retry != .never }
        // 410: an upload's session is gone for good.
        return refusal == nil && status != 410 && meaning.errorClass == .transient
    }

    func error(bucket: String) -> StorageError {
        if let refusal { return refusal }
        if transport?.reason == .cancelled { return .cancelled }
        let (kind, errorClass, advice) = meaning
        var error = StorageError(
            kind, "bucket “\(bucket)”: \(message.prefix(500)); \(advice)", class: errorClass, cause: transport)
        if kind == .throttled { error.retryAfter = retryAfter }
        return error
    }

    /// The service's list: <https://cloud.google.com/storage/docs/json_api/v1/status-codes>.
    private var meaning: (kind: StorageError.Kind, errorClass: StorageError.Class, advice: String) {
        if let transport { return Self.meaning(of: transport.reason) }
        switch (status, reason) {
        case (401, _): return (.internal, .fatal, "check the credentials")
        case (403, "rateLimitExceeded"), (403, "userRateLimitExceeded"), (429, _):
            return (.throttled, .transient, "try again, more slowly")
        case (403, _): return (.internal, .fatal, "give the component's account the permission")
        case (404, _): return (.notFound, .notFound, "nothing is stored there")
        case (408, _): return (.timeout, .transient, "try again")
        case (409, _), (410, _): return (.unavailable, .transient, "try again")
        case (412, _): return (.preconditionFailed, .conflict, "read it again and decide")
        case (413, _): return (.tooLarge, .invalid, "the server takes no such size")
        case (416, _): return (.rangeNotSatisfiable, .invalid, "the range lies outside the object")
        case (501, _): return (.unsupported, .invalid, "the server has no such ability")
        case (500..., _): return (.unavailable, .transient, "try again")
        default: return (.internal, .fatal, "this is a defect, or the server differs from Google's")
        }
    }

    private static func meaning(of reason: HTTPError.Reason) -> (StorageError.Kind, StorageError.Class, String) {
        switch reason {
        case .cancelled: (.cancelled, .transient, "the caller gave up")
        case .closed: (.unavailable, .transient, "the store is shut down")
        case .timeout: (.timeout, .transient, "try again")
        case .unreachable, .broken: (.unavailable, .transient, "is the server up?")
        case .tls: (.unavailable, .fatal, "check the server's certificate and the ones trusted here")
        case .invalidRequest, .tooLarge, .body: (.internal, .fatal, "this is a defect")
        }
    }
}
