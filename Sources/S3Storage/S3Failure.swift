import HTTP
import HTTPStorage
import Storage

/// Why a request to S3 failed, as the service or the transport says it.
struct S3Failure: ServiceFailure {
    /// The status; 0 where there was no answer.
    var status = 0
    /// S3's code, such as `NoSuchKey`.
    var code = ""
    /// S3's sentence.
    var message = ""
    /// What support asks for.
    var requestID: String?
    /// How long the service wants to be left alone.
    var retryAfter: Duration?
    /// What the transport said, where there was no answer.
    var transport: HTTPError?
    /// Why nothing was sent: no credentials.
    var refusal: StorageError?
    var earlier: (any ServiceFailure)?

    private static let nonsense = "MalformedAnswer"

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
        let document = XMLDocument.parse(body)
        code = document?.text("Code") ?? ""
        message = document?.text("Message") ?? "status \(status)"
        requestID = headers["x-amz-request-id"] ?? document?.text("RequestId")
        retryAfter = headers.retryAfter
    }

    /// An answer that makes no sense.
    init(nonsense message: String) {
        status = 200
        code = Self.nonsense
        self.message = message
    }

    /// Whether the object, or the upload, is not there.
    var isMissing: Bool { status == 404 && code != "NoSuchBucket" }

    /// Whether a precondition did not hold; on a write S3 says of a missing object 404.
    var isPrecondition: Bool { status == 412 || code == "PreconditionFailed" }

    /// Slowed down, nothing has begun. An answer that makes no sense, as a proxy may give it, says nothing.
    var mayHaveHappened: Bool {
        transport.map(\.mayHaveHappened) ?? (status >= 500 && code != "SlowDown" || code == Self.nonsense)
    }

    /// Whether the answer is of the kind that has no body: a refusal without its reason.
    var isUnexplained: Bool { code.isEmpty && [400, 401, 403].contains(status) }

    var remedy: Remedy {
        if let transport { return transport.retry == .never ? .none : .wait }
        if refusal != nil { return .none }
        switch code {
        case "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired": return .refreshCredentials
        case "RequestTimeTooSkewed", "RequestExpired": return .setClock
        default: return meaning.errorClass == .transient ? .wait : .none
        }
    }

    var meaning: Meaning { S3ErrorTable.meaning(of: self) }

    var explanation: String {
        let name = code.isEmpty ? message : "\(code): \(message)"
        let request = requestID.map { " (request \($0.abbreviated))" } ?? ""
        return name.prefix(500) + request
    }
}
