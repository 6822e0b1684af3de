import HTTP
import Synchronization

/// Whether a server lists in the order of UTF-8 bytes: see ``S3OrderProbe``. One that was seen not to is never believed
/// again.
final class ListOrder: Sendable {
    private let isTrusted = Mutex(true)

    var isByBytes: Bool { isTrusted.withLock { $0 } }

    func distrust() { isTrusted.withLock { $0 = false } }

    /// SeaweedFS walks its tree: `a/b` comes before `a-b`, and `start-after` passes over what lies below it.
    func learn(_ headers: HTTPHeaders) {
        if headers["Server"]?.hasPrefix("SeaweedFS") ?? false { distrust() }
    }
}
