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
        var areReported = false
        /// The walk over all objects that is under way.
        var walk: ObjectWalk?
        var nextWalk = Date.distantPast
    }

    /// How many keys are remembered.
    private static let capacity = 65_536

    private let state = Mutex(State())

    /// Whether somebody asks for what expired, to report it: nobody else is to remove it then.
    var areReported: Bool { state.withLock { $0.areReported } }

    /// From now on somebody does.
    func startReporting() {
        state.withLock { $0.areReported = true }
    }

    /// Remembers when an object expires, where anybody asks.
    func learn(_ info: ObjectInfo) {
        guard let time = info.expires else { return }
        state.withLock { state in
            guard state.areReported, state.count < Self.capacity else { return }
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

    /// The walk over all objects that is under way, or due; nil where it is not its time.
    func walk(at now: Date, every interval: Duration) -> ObjectWalk? {
        state.withLock { state in
            if let walk = state.walk { return walk }
            guard state.nextWalk <= now else { return nil }
            state.nextWalk = now.addingTimeInterval(interval.seconds)
            let walk = ObjectWalk()
            state.walk = walk
            return walk
        }
    }

    /// It is over.
    func end(_ walk: ObjectWalk) {
        state.withLock { state in
            if state.walk === walk { state.walk = nil }
        }
    }
}
