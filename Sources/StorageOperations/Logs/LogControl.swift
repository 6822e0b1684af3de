public import Logging
import Synchronization

/// The program's log: what is logged can be changed while it runs, and writing it never waits.
public final class LogControl: Sendable {
    private struct State {
        var settings: LogSettings
        var parts: [String: LogPart] = [:]
    }

    /// More labels than this share the level of the rest.
    private static let maxParts = 64

    private let state: Mutex<State>
    private let isJSON: Atomic<Bool>
    private let counts = Mutex<[Logger.Level: Int]>([:])
    private let output: LogOutput

    /// A log to a file descriptor, that of standard error unless told otherwise.
    ///
    /// - Parameter capacity: how many bytes may wait to be written.
    public init(_ settings: LogSettings, descriptor: Int32 = 2, capacity: Int = 4 << 20) {
        state = Mutex(State(settings: settings))
        isJSON = Atomic(settings.format == .json)
        output = LogOutput(descriptor: descriptor, capacity: capacity)
    }

    /// What is logged, and how: a change counts at once.
    public var settings: LogSettings {
        get { state.withLock { $0.settings } }
        set {
            isJSON.store(newValue.format == .json, ordering: .relaxed)
            state.withLock { state in
                state.settings = newValue
                for part in state.parts.values { part.level = newValue.level(of: part.label) }
            }
        }
    }

    /// What writes the records of loggers with `label`.
    public func handler(_ label: String) -> any LogHandler {
        let part = state.withLock { state in
            if let part = state.parts[label] { return part }
            let part = LogPart(label, state.settings.level(of: label))
            if state.parts.count < Self.maxParts { state.parts[label] = part }
            return part
        }
        return StructuredLogHandler(part: part, control: self)
    }

    /// A logger of one of the program's parts.
    public func logger(_ part: LogSettings.Part) -> Logger { Logger(label: part.rawValue) { handler($0) } }

    /// How many records of each level were written.
    public var recordCounts: [Logger.Level: Int] { counts.withLock { $0 } }

    /// How many records were lost since too many waited to be written.
    public var droppedCount: Int { output.droppedCount }

    /// Returns when what was logged so far is written, or after a second.
    public func flush() async { await output.flush() }

    func write(_ record: LogRecord) {
        let line = isJSON.load(ordering: .relaxed) ? record.json : record.text
        if output.write(line) { counts.withLock { $0[record.level, default: 0] += 1 } }
    }
}

/// A part's level, which may change.
final class LogPart: Sendable {
    let label: String
    private let index: Atomic<Int>

    init(_ label: String, _ level: Logger.Level) {
        self.label = label
        index = Atomic(Self.order.firstIndex(of: level) ?? 0)
    }

    var level: Logger.Level {
        get { Self.order[index.load(ordering: .relaxed)] }
        set { index.store(Self.order.firstIndex(of: newValue) ?? 0, ordering: .relaxed) }
    }

    private static let order = Logger.Level.allCases
}

/// Hands records over to a log.
struct StructuredLogHandler: LogHandler {
    let part: LogPart
    let control: LogControl
    /// A level of this logger's own.
    private var ownLevel: Logger.Level?
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?

    init(part: LogPart, control: LogControl) {
        self.part = part
        self.control = control
    }

    var logLevel: Logger.Level {
        get { ownLevel ?? part.level }
        set { ownLevel = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var all = metadata
        if let provided = metadataProvider?.get() { all.merge(provided) { $1 } }
        if let given = event.metadata { all.merge(given) { $1 } }
        if let error = event.error { all["error"] = "\(error)" }
        control.write(LogRecord(level: event.level, part: part.label, message: "\(event.message)", metadata: all))
    }
}
