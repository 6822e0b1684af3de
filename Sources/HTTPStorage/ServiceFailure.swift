package import HTTP
package import Storage

/// Why a request to a storage service failed, as the service or the transport says it.
package protocol ServiceFailure: Error {
    /// There was no answer.
    init(_ error: HTTPError)
    /// Nothing was sent, or an answer was not taken.
    init(refusal: StorageError)
    /// An answer that makes no sense.
    init(nonsense message: String)

    var transport: HTTPError? { get }
    var refusal: StorageError? { get }
    /// How long the service wants to be left alone.
    var retryAfter: Duration? { get }
    /// Whether the object is not there.
    var isMissing: Bool { get }
    /// Whether a precondition did not hold.
    var isPrecondition: Bool { get }
    /// Whether the same request may succeed, and after what.
    var remedy: Remedy { get }
    var meaning: Meaning { get }
    /// Whether the service may have acted on the request all the same.
    var mayHaveHappened: Bool { get }
    /// An earlier failure of the same request, which the service may have acted on.
    var earlier: (any ServiceFailure)? { get set }
    /// The service's own words.
    var explanation: String { get }
}

/// What a client can do about a failure before it tries again.
package enum Remedy: Sendable {
    case none, wait, refreshCredentials, setClock
}

/// What a failure stands for, and what to do about it.
package struct Meaning: Sendable {
    package let kind: StorageError.Kind
    package let errorClass: StorageError.Class
    package let advice: String

    package init(_ kind: StorageError.Kind, _ errorClass: StorageError.Class, _ advice: String) {
        self.kind = kind
        self.errorClass = errorClass
        self.advice = advice
    }

    /// Of a failure of the transport.
    package init(_ reason: HTTPError.Reason) {
        self =
            switch reason {
            case .cancelled: Meaning(.cancelled, .transient, "the caller gave up")
            case .closed: Meaning(.unavailable, .transient, "the store is shut down")
            case .timeout: Meaning(.timeout, .transient, "try again")
            case .unreachable, .broken: Meaning(.unavailable, .transient, "is the server up?")
            case .tls: Meaning(.unavailable, .fatal, "check the server's certificate and the ones trusted here")
            case .invalidRequest, .tooLarge, .body: Meaning(.internal, .fatal, "this is a defect")
            }
    }
}

extension ServiceFailure {
    /// The error of an operation on `bucket`.
    package func error(bucket: String) -> StorageError {
        if let refusal { return refusal }
        if transport?.reason == .cancelled { return .cancelled }
        if let cause = transport?.cause as? StorageError { return cause }
        let meaning = meaning
        var error = StorageError(
            meaning.kind, "bucket “\(bucket)”: \(explanation); \(meaning.advice)", class: meaning.errorClass,
            cause: transport)
        if meaning.kind == .throttled { error.retryAfter = retryAfter }
        return error
    }

    /// The error of a write whose precondition did not hold: `refused`, unless it may have met itself.
    package func error(bucket: String, refused: StorageError) -> StorageError {
        guard let earlier else { return refused }
        return .undecided(after: earlier.error(bucket: bucket), then: refused)
    }

    /// The failure of an answer to a request that the transport sent again by itself.
    package func afterLostAnswer() -> Self {
        var failure = self
        failure.earlier = Self(HTTPError(.broken, .ifIdempotent, "the connection ended without an answer"))
        return failure
    }
}

extension HTTPError {
    /// Whether the service may have acted on the request all the same: also where its answer was larger than any can be.
    package var mayHaveHappened: Bool { retry == .ifIdempotent || reason == .tooLarge }
}

extension HTTPHeaders {
    /// How long the server wants to be left alone: five minutes at most.
    package var retryAfter: Duration? {
        self["Retry-After"].flatMap { Int($0) }.map { .seconds(min(max($0, 0), 300)) }
    }
}
