import Storage
import Synchronization

/// The digest that a sender tells only at the end.
final class TrailingDigest: Sendable {
    private let digest = Mutex<Digest?>(nil)

    var value: Digest? {
        get { digest.withLock { $0 } }
        set { digest.withLock { $0 = newValue } }
    }
}
