import NATS
import Storage

extension StorageError {
    /// What a NATS failure means for an operation on a bucket.
    init(_ error: NATSError, bucket: String) {
        let (kind, errorClass, advice) = Self.meaning(of: error.code)
        self.init(kind, "bucket “\(bucket)”: \(error.message); \(advice)", class: errorClass, cause: error)
    }

    private static func meaning(of code: NATSError.Code) -> (Kind, Class?, String) {
        switch code {
        case .timeout, .status(408): (.timeout, nil, "try again")
        case .cancelled: (.cancelled, nil, "the caller gave up")
        case .permission, .authorization, .tls: (.internal, .fatal, "give the component's user the permission")
        case .maxPayload: (.tooLarge, nil, "shorten the metadata, or raise the server's max_payload")
        case .invalidArgument, .protocolViolation, .internalError: (.internal, .fatal, "this is a defect")
        case .noResponders: (.unavailable, nil, "is JetStream enabled and the bucket's leader up?")
        case .api(_, let errorCode): meaning(ofAPI: errorCode)
        default: (.unavailable, nil, "is the server up?")
        }
    }

    private static func meaning(ofAPI errorCode: Int) -> (Kind, Class?, String) {
        switch errorCode {
        case JetStreamErrorCode.streamNotFound:
            (.unavailable, .fatal, "create the bucket, or let the component create it")
        case JetStreamErrorCode.streamStoreFailed, JetStreamErrorCode.storageResourcesExceeded,
            JetStreamErrorCode.insufficientResources:
            (.unavailable, nil, "delete something, or raise the bucket's or server's limits")
        case JetStreamErrorCode.streamSealed: (.unsupported, nil, "the bucket is sealed: it can only be read")
        case JetStreamErrorCode.messageExceedsMaximum: (.tooLarge, nil, "raise the bucket's largest message size")
        default: (.unavailable, nil, "the server's log may say more")
        }
    }
}

/// Runs calls to NATS in an operation on a bucket.
func mapped<Value>(
    _ bucket: String, _ body: () async throws(NATSError) -> Value
) async throws(StorageError) -> Value {
    do throws(NATSError) {
        return try await body()
    } catch {
        throw StorageError(error, bucket: bucket)
    }
}
