public import HTTP
import HTTPStorage
package import Storage

/// Where a bucket is and how to work with it.
public struct S3Configuration: Sendable {
    /// Where the credentials come from.
    public enum CredentialSource: Sendable {
        /// These.
        case fixed(S3Credentials)
        /// A profile of the shared files, and nothing else.
        case profile(String)
        /// The first that there is: environment, web identity, shared files, container, instance metadata.
        case chain
        /// None: requests are not signed.
        case anonymous
    }

    /// What a signature covers.
    public enum PayloadSigning: Sendable {
        /// The body too: costs its SHA-256.
        case signed
        /// Of a large body the headers only.
        case unsigned
        /// `unsigned` over TLS, which protects the body by itself, else `signed`.
        case automatic
    }

    /// Whether the server honours conditions on writes.
    public enum ConditionalWrites: Sendable {
        /// Tried out when the store is opened, on an object that is removed again. Of AWS it is known.
        case detect
        /// They are.
        case supported
        /// They are not: writes with a condition are refused here.
        case unsupported
    }

    /// In which order the server lists.
    public enum ListOrder: Sendable {
        /// Tried out when the store is opened, on two objects that are removed again. Of AWS it is known.
        case detect
        /// That of UTF-8 bytes.
        case bytes
        /// Any: each page of a listing reads the prefix to its end.
        case other
    }

    /// The bucket's name.
    public var bucket: String
    /// What all keys begin with in the bucket, such as `team/`.
    public var prefix = ""
    /// The region; nil: from the environment or the profile, else `us-east-1`.
    public var region: String?
    /// `https://host[:port]` of any server that speaks S3; nil: AWS.
    public var endpoint: String?
    /// Whether the bucket is named in the path rather than in the host; nil: with an `endpoint`.
    public var forcePathStyle: Bool?
    /// Where the credentials come from.
    public var credentials = CredentialSource.chain
    /// What signatures cover.
    public var payloadSigning = PayloadSigning.automatic
    /// Above it objects go in parts of this size: 5 MiB…5 GiB. A put takes the memory of up to `parallelParts` + 2 of
    /// them, and about as much again that the system's allocator holds back.
    public var partSize = 5 << 20
    /// How many parts of one object are under way at once.
    public var parallelParts = 4
    /// Whether to create the bucket where it is missing.
    public var create = false
    /// Whether conditions on writes are honoured.
    public var conditionalWrites = ConditionalWrites.detect
    /// Whether they are honoured, by one writer only, when a multipart upload completes; nil: of AWS. Otherwise a large
    /// conditional put goes through a temporary file and one request, up to 5 GiB.
    public var conditionalMultipart: Bool?
    /// In which order the server lists; where it can't be tried out, it counts as `other`.
    public var listOrder = ListOrder.detect
    /// How old an unfinished upload in parts beneath the prefix is when it is aborted, whoever began it: what a crash left,
    /// or an answer that was lost. Looked for once an hour, where somebody looks after the store; nil: never.
    public var abortUploadsAfter: Duration? = .seconds(7 * 86_400)
    /// How often they are looked for.
    package var cleanEvery = Duration.seconds(3600)
    /// The storage class of new objects.
    public var storageClass: String?
    /// `AES256` or `aws:kms`.
    public var serverSideEncryption: String?
    /// The key for `aws:kms`.
    public var kmsKeyID: String?
    /// How often a request is tried.
    public var maxAttempts = 5
    /// The longest wait before the second attempt; it doubles from then on.
    package var retryBase = Duration.milliseconds(200)
    /// Timeouts, proxy, certificates, connections.
    public var http = HTTPOptions()

    /// A bucket with the defaults.
    public init(bucket: String) {
        self.bucket = bucket
    }

    /// Throws `invalid` for what can't work.
    package func validate() throws(StorageError) {
        try BucketSettings.validate(bucket: bucket, length: 3...63, allowsUpperCase: true, prefix: prefix)
        guard (5 << 20...5 << 30).contains(partSize) else {
            throw invalid("part size \(partSize) is not in 5 MiB…5 GiB")
        }
        guard (1...64).contains(parallelParts) else { throw invalid("\(parallelParts) parallel parts are not in 1…64") }
    }

    private func invalid(_ message: String) -> StorageError {
        StorageError(.invalid, message, operation: .open)
    }
}
