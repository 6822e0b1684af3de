import HTTP
import HTTPStorage
import Storage

/// What S3's codes mean. The service's list: <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>.
enum S3ErrorTable {
    static func meaning(of failure: S3Failure) -> Meaning {
        if let transport = failure.transport { return Meaning(transport.reason) }
        // OpenStack Swift has narrower limits for metadata than S3, and no code of its own for them.
        if failure.code == "InvalidRequest", failure.message.hasPrefix("Metadata ") { return metadata }
        return codes[failure.code] ?? meaning(ofStatus: failure.status)
    }

    private static let credentials = Meaning(.internal, .fatal, "check the credentials")
    private static let permission = Meaning(.internal, .fatal, "give the component's user the permission")
    private static let slower = Meaning(.throttled, .transient, "try again, more slowly")
    private static let again = Meaning(.unavailable, .transient, "try again")
    private static let defect = Meaning(.internal, .fatal, "this is a defect, or the server differs from S3")
    private static let metadata = Meaning(.tooLarge, .invalid, "shorten the metadata")
    private static let region = Meaning(.internal, .fatal, "set the bucket's region, or the right endpoint")

    private static let codes: [String: Meaning] = [
        // The specified key does not exist.
        "NoSuchKey": Meaning(.notFound, .notFound, "nothing is stored there"),
        "NoSuchVersion": Meaning(.notFound, .notFound, "nothing is stored there"),
        // The specified bucket does not exist.
        "NoSuchBucket": Meaning(.unavailable, .fatal, "create the bucket, or let the component create it"),
        "AccessDenied": permission, "AllAccessDisabled": permission, "AccountProblem": permission,
        // The AWS access key ID that you provided does not exist in our records.
        "InvalidAccessKeyId": credentials, "InvalidToken": credentials, "ExpiredToken": credentials,
        "NotSignedUp": credentials, "InvalidSecurity": credentials,
        // The request signature that we calculated does not match the signature you provided.
        "SignatureDoesNotMatch": Meaning(.internal, .fatal, "check the secret access key and the region"),
        "AuthorizationHeaderMalformed": region, "PermanentRedirect": region,
        "IllegalLocationConstraintException": region,
        // The difference between the request time and the server's time is too large.
        "RequestTimeTooSkewed": Meaning(.internal, .fatal, "set this machine's clock"),
        "PreconditionFailed": Meaning(.preconditionFailed, .conflict, "read it again and decide"),
        // A conflicting operation occurred during the conditional request.
        "ConditionalRequestConflict": again, "OperationAborted": again,
        "EntityTooLarge": Meaning(.tooLarge, .invalid, "the server takes no such size"),
        "MetadataTooLarge": metadata,
        "KeyTooLongError": Meaning(.invalid, .invalid, "shorten the key, or the configured prefix"),
        "InvalidRange": Meaning(.rangeNotSatisfiable, .invalid, "the range lies outside the object"),
        // Bytes were changed on the way: what was sent is what was hashed.
        "BadDigest": again, "XAmzContentSHA256Mismatch": again, "XAmzContentChecksumMismatch": again,
        "IncompleteBody": again, "InternalError": again, "ServerError": again,
        "SlowDown": slower, "ServiceUnavailable": slower, "Throttling": slower, "ThrottlingException": slower,
        "RequestLimitExceeded": slower, "TooManyRequests": slower, "RequestThrottled": slower,
        "RequestTimeout": Meaning(.timeout, .transient, "try again"),
        "NotImplemented": Meaning(.unsupported, .invalid, "the server has no such ability"),
        "MethodNotAllowed": Meaning(.unsupported, .invalid, "the server does not allow it"),
        // The operation is not valid for the current state of the object: it lies in an archive.
        "InvalidObjectState": Meaning(.unavailable, .fatal, "restore the object from the archive first"),
        "QuotaExceeded": Meaning(.unavailable, .fatal, "delete something, or raise the quota"),
        "MalformedAnswer": defect, "InvalidArgument": defect, "InvalidRequest": defect, "MalformedXML": defect,
    ]

    private static func meaning(ofStatus status: Int) -> Meaning {
        switch status {
        case 301, 307, 308: region
        case 401, 403: permission
        case 404: Meaning(.notFound, .notFound, "nothing is stored there")
        case 408: Meaning(.timeout, .transient, "try again")
        case 409: again
        case 412: Meaning(.preconditionFailed, .conflict, "read it again and decide")
        case 416: Meaning(.rangeNotSatisfiable, .invalid, "the range lies outside the object")
        case 429, 503: slower
        case 501: Meaning(.unsupported, .invalid, "the server has no such ability")
        case 500...: again
        default: defect
        }
    }
}
