// What the sanitizer has to keep silent about, and what it has to report: with the argument `race` the counter is not
// under the lock.
import Synchronization

@main struct Control {
    private final class Counted: Sendable {
        let entries = Mutex<[Int]>([])
        // Guarded by `entries`, or raced for on purpose.
        nonisolated(unsafe) var count = 0
    }

    static func main() async {
        let races = CommandLine.arguments.dropFirst().first == "race"
        let counted = Counted()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for entry in 0..<20_000 {
                        counted.entries.withLock { entries in
                            if entries.count > 100 { entries = [] }
                            entries.append(entry)
                            if !races { counted.count += 1 }
                        }
                        if races { counted.count += 1 }
                    }
                }
            }
        }
        print(counted.count)
    }
}
