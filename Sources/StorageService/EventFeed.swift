import DequeModule
public import FoundationEssentials
import StorageWire
import Synchronization

/// An event, for people to look at.
public struct SeenEvent: Sendable, Hashable {
    /// Why an operation failed.
    public struct Failure: Sendable, Hashable {
        /// Which operation.
        public let operation: String
        /// The error's code.
        public let code: String
        /// The error's sentence, which may name the key.
        public let message: String
    }

    /// The event's id.
    public let id: String
    /// The instance's name.
    public let instance: String
    /// `stored`, `retrieved`, `deleted`, `expired` or `failed`.
    public let type: String
    /// When it happened.
    public let time: Date
    /// The key, as somebody chose it; empty where a failed operation had none.
    public let key: String
    /// The object's size, where there is one.
    public let size: Int?
    /// Of a failed operation.
    public let failure: Failure?

    init(_ event: StorageEvent) {
        id = event.id
        instance = event.instance
        type = event.type.rawValue
        time = event.time
        key = event.key
        size = event.size
        failure = event.error.map { Failure(operation: event.operation ?? "", code: $0.code, message: $0.message) }
    }
}

/// The last events of a process, and those to come, for whoever looks. Recording never waits.
public final class EventFeed: Sendable {
    /// What one who looks has not seen yet.
    private struct Unseen {
        var events: Deque<StorageEvent> = []
        var skipped = 0
    }

    private struct State {
        var recent: Deque<StorageEvent> = []
        var failures: Deque<StorageEvent> = []
        var viewers: [Int: Unseen] = [:]
        var lastViewer = 0
        var dropped = 0
    }

    /// One who looks; gone when it is let go.
    public final class Viewer: Sendable {
        private let number: Int
        private let feed: EventFeed
        /// The events and failures from before, the oldest first.
        public let recent: [SeenEvent]

        fileprivate init(_ number: Int, _ feed: EventFeed, _ recent: [StorageEvent]) {
            self.number = number
            self.feed = feed
            self.recent = recent.map { SeenEvent($0) }
        }

        deinit {
            feed.state.withLock { _ = $0.viewers.removeValue(forKey: number) }
        }

        /// The events since it was last asked, the oldest first, and how many came before them that there was no room for.
        public func take() -> (events: [SeenEvent], skipped: Int) {
            let unseen = feed.state.withLock { state in
                defer { state.viewers[number] = Unseen() }
                return state.viewers[number] ?? Unseen()
            }
            return (unseen.events.map { SeenEvent($0) }, unseen.skipped)
        }
    }

    private let capacity: Int
    private let maxViewers: Int
    private let state = Mutex(State())

    /// - Parameters:
    ///   - capacity: how many events are remembered, how many failures besides, and how many wait for each viewer.
    ///   - maxViewers: how many may look at once.
    public init(capacity: Int = 100, maxViewers: Int = 16) {
        self.capacity = capacity
        self.maxViewers = maxViewers
    }

    /// How many look.
    public var viewerCount: Int { state.withLock { $0.viewers.count } }

    /// How many events viewers were too slow for.
    public var dropped: Int { state.withLock { $0.dropped } }

    func record(_ event: StorageEvent) {
        state.withLock { state in
            _ = state.recent.append(event, upTo: capacity)
            if event.type == .failed { _ = state.failures.append(event, upTo: capacity) }
            for number in state.viewers.keys {
                guard state.viewers[number]?.events.append(event, upTo: capacity) == false else { continue }
                state.viewers[number]?.skipped += 1
                state.dropped += 1
            }
        }
    }

    /// Looks at events from now on; nil where too many do already.
    public func view() -> Viewer? {
        let viewer = state.withLock { state -> (Int, [StorageEvent])? in
            guard state.viewers.count < maxViewers else { return nil }
            state.lastViewer += 1
            state.viewers[state.lastViewer] = Unseen()
            let known = Set(state.recent.map(\.id))
            return (state.lastViewer, state.failures.filter { !known.contains($0.id) } + state.recent)
        }
        return viewer.map { Viewer($0.0, self, $0.1) }
    }
}

extension Deque<StorageEvent> {
    /// Appends; false where the first had to go for it.
    fileprivate mutating func append(_ event: StorageEvent, upTo capacity: Int) -> Bool {
        append(event)
        guard count > capacity else { return true }
        removeFirst()
        return false
    }
}
