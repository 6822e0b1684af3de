import FoundationEssentials
import HTTP
import HTTPStorage
import Storage

/// Why a request failed, as the service or the transport says it.
struct GCSFailure: ServiceFailure {
    /// The status; 0 where there was no answer.
    var status = 0
    /// Google's reason, such as `conditionNotMet`.
    var reason = ""
    var message: String
    var retryAfter: Duration?
    var transport: HTTPError?
    /// Why nothing was sent, or an answer was not taken.
    var refusal: StorageError?
    var earlier: (any ServiceFailure)?
    /// Whether the answer made no sense: the service may have acted on the request, or not.
    var isNonsense = false

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
        retryAfter = headers.retryAfter
    }

    /// An answer that makes no sense.
    init(nonsense message: String) {
        self.init(refusal: StorageError(.internal, message))
        isNonsense = true
    }

    var isMissing: Bool { status == 404 }
    var isPrecondition: Bool { status == 412 }

    var mayHaveHappened: Bool { transport.map(\.mayHaveHappened) ?? (status >= 500 || isNonsense) }

    var remedy: Remedy {
        if let transport { return transport.retry == .never ? .none : .wait }
        if refusal != nil { return .none }
        switch status {
        case 401: return .refreshCredentials
        // An upload's session is gone for good.
        case 410: return .none
        default: return meaning.errorClass == .transient ? .wait : .none
        }
    }

    var explanation: String { String(message.prefix(500)) }

    /// The service's list: <https://cloud.google.com/storage/docs/json_api/v1/status-codes>.
    var meaning: Meaning {
        if let transport { return Meaning(transport.reason) }
        switch (status, reason) {
        case (401, _): return Meaning(.internal, .fatal, "check the credentials")
        case (403, "rateLimitExceeded"), (403, "userRateLimitExceeded"), (429, _):
            return Meaning(.throttled, .transient, "try again, more slowly")
        case (403, _): return Meaning(.internal, .fatal, "give the component's account the permission")
        case (404, _): return Meaning(.notFound, .notFound, "nothing is stored there")
        case (408, _): return Meaning(.timeout, .transient, "try again")
        case (409, _), (410, _): return Meaning(.unavailable, .transient, "try again")
        case (412, _): return Meaning(.preconditionFailed, .conflict, "read it again and decide")
        case (413, _): return Meaning(.tooLarge, .invalid, "the server takes no such size")
        case (416, _): return Meaning(.rangeNotSatisfiable, .invalid, "the range lies outside the object")
        case (501, _): return Meaning(.unsupported, .invalid, "the server has no such ability")
        case (500..., _): return Meaning(.unavailable, .transient, "try again")
        default: return Meaning(.internal, .fatal, "this is a defect, or the server differs from Google's")
        }
    }
}
