import Glibc

/// A bar on standard error, for large objects and where a person looks at it.
struct Progress {
    private static let threshold = 8 << 20
    private static let width = 30

    private let total: Int
    private let isShown: Bool
    private var done = 0
    private var shown = -1

    init(total: Int?) {
        self.total = total ?? 0
        isShown = (total ?? 0) > Self.threshold && isatty(STDERR_FILENO) == 1
    }

    mutating func advance(by count: Int) {
        done += count
        guard isShown else { return }
        let percent = min(100, done * 100 / total)
        guard percent != shown else { return }
        shown = percent
        let filled = percent * Self.width / 100
        let bar = String(repeating: "#", count: filled) + String(repeating: "-", count: Self.width - filled)
        let line = Array("\r[\(bar)] \(percent) % of \(total >> 20) MiB\(percent == 100 ? "\n" : "")".utf8)
        _ = write(STDERR_FILENO, line, line.count)
    }

    /// Where less came than was expected.
    mutating func finish() {
        if isShown, shown < 100 { advance(by: max(0, total - done)) }
    }
}
