import DequeModule
import Synchronization

/// Work in lanes: one after the other in each, in the order of entering; different lanes at once.
final class Lanes<Element: Sendable>: Sendable {
    /// What waits in each lane that somebody works in.
    private let waiting = Mutex<[String: Deque<Element>]>([:])

    /// True: the lane was free, and the caller has to work on `element` and then on what ``next(in:)`` gives, until that
    /// is nil. False: whoever works there will.
    func enter(_ lane: String, _ element: Element) -> Bool {
        waiting.withLock { waiting in
            guard waiting[lane] != nil else {
                waiting[lane] = []
                return true
            }
            waiting[lane]?.append(element)
            return false
        }
    }

    /// The next of the lane; nil: there is none, and the lane is free.
    func next(in lane: String) -> Element? {
        waiting.withLock { waiting in
            if let element = waiting[lane]?.popFirst() { return element }
            waiting[lane] = nil
            return nil
        }
    }
}
