import Synchronization

/// Whether the next key to be written is probably a new one, as the last ones were: then a put need not look.
final class Guess: Sendable {
    private let absent = Atomic(true)

    var isAbsent: Bool { absent.load(ordering: .relaxed) }

    /// What a put found in its place.
    func saw(absent: Bool) {
        self.absent.store(absent, ordering: .relaxed)
    }
}
