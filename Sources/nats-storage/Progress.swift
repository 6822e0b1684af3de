import Glibc
import Synchronization

/// A bar on standard error, for large objects.
struct Progress {
    private static let threshold = 8 << 20
    private static let width = 30

    private let total: Int
    private let isShown: Bool
    private var done = 0
    private var shown = -1

    init(total: Int?) {
        self.total = total ?? 0
        isShown = (total ?? 0) > Self.threshold && StatusLine.isSeen
    }

    mutating func advance(by count: Int) {
        done += count
        guard isShown else { return }
        let percent = min(100, done * 100 / total)
        guard percent != shown else { return }
        shown = percent
        let filled = percent * Self.width / 100
        let bar = String(repeating: "#", count: filled) + String(repeating: "-", count: Self.width - filled)
        StatusLine.show("[\(bar)] \(percent) % of \(total >> 20) MiB", isLast: percent == 100)
    }

    /// Where less came than was expected.
    mutating func finish() {
        if isShown, shown < 100 { advance(by: max(0, total - done)) }
    }
}

/// How many objects and bytes so far, on standard error.
struct Counter {
    private var last = ContinuousClock.now

    mutating func show(_ objects: Int, _ bytes: Int) {
        guard StatusLine.isSeen, ContinuousClock.now - last > .milliseconds(200) else { return }
        last = .now
        StatusLine.show("\(objects) objects, \(bytes >> 20) MiB")
    }
}

/// The line on standard error that is written over and over, where a person looks at it.
enum StatusLine {
    static let isSeen = isatty(STDERR_FILENO) == 1
    /// Whether the cursor stands behind it.
    private static let isOpen = Mutex(false)

    /// Writes `text` in place of what it said; what follows the last goes to a line of its own.
    static func show(_ text: String, isLast: Bool = false) {
        isOpen.withLock {
            emit("\r\(text)\u{1b}[K\(isLast ? "\n" : "")")
            $0 = !isLast
        }
    }

    /// Makes room for what else is to be said.
    static func clear() {
        isOpen.withLock {
            if $0 { emit("\r\u{1b}[K") }
            $0 = false
        }
    }

    private static func emit(_ text: String) {
        let bytes = Array(text.utf8)
        _ = write(STDERR_FILENO, bytes, bytes.count)
    }
}
