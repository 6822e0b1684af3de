// What the sanitizer has to keep silent about, and what it has to report: with the argument `race` one more counter that
// nothing guards.
import Glibc
import Synchronization

private final class Counted: Sendable {
    let entries = Mutex<[Int]>([])
    // Guarded by `entries`: changed under its lock alone, and read when all tasks have ended.
    nonisolated(unsafe) var count = 0
    // Guarded by nothing: the race that has to be reported, and only with the argument that asks for it.
    nonisolated(unsafe) var raced = 0
}

@main struct Control {
    static func main() async {
        let races = CommandLine.arguments.dropFirst().first == "race"
        let counted = Counted()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 { group.addTask { await work(counted, races) } }
        }
        print(counted.count, counted.raced)
    }

    private static func work(_ counted: Counted, _ races: Bool) async {
        for entry in 0..<5000 {
            counted.entries.withLock { entries in
                if entries.count > 100 { entries = [] }
                entries.append(entry)
                counted.count += 1
            }
            if races { counted.raced += 1 }
            if entry % 100 == 0 { await roundTrip() }
        }
    }

    /// Is resumed by a thread that the runtime does not know, often before it is awaited.
    private static func roundTrip() async {
        let box = Box()
        box.value = 1
        let value = await withUnsafeContinuation { (continuation: UnsafeContinuation<Int, Never>) in
            start {
                box.value += 1
                continuation.resume(returning: box.value)
            }
            if Bool.random() { usleep(100) }
        }
        box.value += value
    }

    /// `@unchecked Sendable`: handed over with the continuation, so that one thread has it at a time.
    private final class Box: @unchecked Sendable {
        var value = 0
    }

    private final class Job {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    private static func start(_ run: @escaping @Sendable () -> Void) {
        var thread = pthread_t()
        let job = Unmanaged.passRetained(Job(run)).toOpaque()
        pthread_create(
            &thread, nil,
            { job in
                Unmanaged<Job>.fromOpaque(job!).takeRetainedValue().run()
                return nil
            }, job)
        pthread_detach(thread)
    }
}
