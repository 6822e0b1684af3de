public import HTTP
import HTTPStorage
package import Storage

/// Where a bucket is and how to work with it.
public struct GCSConfiguration: Sendable {
    /// Who asks.
    public enum Credentials: Sendable {
        /// A service account.
        case key(ServiceAccountKey)
        /// The service account's key file that `GOOGLE_APPLICATION_CREDENTIALS` names, else the machine's own account.
        case environment
        /// Nobody: for emulators and public buckets.
        case anonymous
    }

    /// The bucket's name.
    public var bucket: String
    /// What all keys begin with in the bucket, such as `team/`.
    public var prefix = ""
    /// `https://host[:port]` of another server than Google's.
    public var endpoint = "https://storage.googleapis.com"
    /// Who asks.
    public var credentials = Credentials.environment
    /// The project in which to create the bucket where it is missing; nil: it is not created.
    public var createInProject: String?
    /// Above it objects go by a resumable upload, in requests of this size: a multiple of 256 KiB.
    public var partSize = 8 << 20
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
        try BucketSettings.validate(bucket: bucket, length: 3...222, prefix: prefix)
        guard (256 << 10...1 << 30).contains(partSize), partSize % (256 << 10) == 0 else {
            throw invalid("part size \(partSize) is no multiple of 256 KiB up to 1 GiB")
        }
        guard endpoint.hasPrefix("https://") || endpoint.hasPrefix("http://"), !endpoint.hasSuffix("/") else {
            throw invalid("endpoint “\(endpoint.abbreviated)” is not of the form https://host or https://host:port")
        }
    }

    private func invalid(_ message: String) -> StorageError {
        StorageError(.invalid, message, operation: .open)
    }
}
