import FoundationEssentials
import Storage
import Synchronization

/// The keys whose objects are known to expire, and when, so that nobody has to look into files for them.
///
/// What is not known, since another process stored it or there are too many, a walk over all objects finds.
final class Expiries: Sendable {
    private struct State {
        var order = ExpiryOrder()
        var count = 0
        var areTold = false
        /// Where the walk over all objects goes on; nil: it is over.
        var place: String? = ""
        var nextWalk = Date.distantPast
    }

    /// How many keys are remembered.
    private static let capacity = 65_536

    private let state = Mutex(State())

    /// Whether somebody asks for what expired, to tell of it: nobody else is to remove it then.
    var areTold: Bool { state.withLock { $0.areTold } }

    /// From now on somebody does.
    func startTelling() {
        state.withLock { $0.areTold = true }
    }

    /// Remembers when an object expires, where anybody asks.
    func learn(_ info: ObjectInfo) {
        guard let time = info.expires else { return }
        state.withLock { state in
            guard state.areTold, state.count < Self.capacity else { return }
            if state.order.insert(info.key, at: time) { state.count += 1 }
        }
    }

    /// Forgets and returns the keys whose time is over.
    func takeDue(at now: Date, atMost limit: Int) -> [ObjectKey] {
        state.withLock { state in
            let due = state.order.takeDue(at: now, atMost: limit)
            state.count -= due.count
            return due
        }
    }

    /// Where the walk over all objects is to go on now; nil where it is not its time.
    func startWalk(at now: Date, every interval: Duration) -> String? {
        state.withLock { state in
            if let place = state.place { return place }
            guard state.nextWalk <= now else { return nil }
            state.nextWalk = now.addingTimeInterval(interval.seconds)
            return ""
        }
    }

    /// Where it goes on the next time.
    func continueWalk(at place: String?) {
        state.withLock { $0.place = place }
    }
}
