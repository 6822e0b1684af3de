import Storage
import Synchronization

/// Runs a round trip for many callers at once: whoever comes while as many as may are under way shares the next one,
/// which begins after all of them came.
final class SharedRounds<Value: Sendable>: Sendable {
    private typealias Outcome = Result<Value, StorageError>

    private enum Role {
        case lead([CheckedContinuation<Role, Never>])
        case follow(Outcome)
    }

    private struct State {
        var underWay = 0
        var waiting: [CheckedContinuation<Role, Never>] = []
    }

    /// So that few callers do not wait for one another.
    private let limit = 4

    private let state = Mutex(State())

    /// What came of a round that began after the call.
    func join(_ round: () async throws(StorageError) -> Value) async throws(StorageError) -> Value {
        while true {
            switch await role() {
            case .follow(.failure(let error)) where error.kind == .cancelled && !Task.isCancelled:
                // The leader gave up, not this caller.
                continue
            case .follow(let outcome):
                return try outcome.get()
            case .lead(let followers):
                return try await lead(followers, round)
            }
        }
    }

    private func role() async -> Role {
        let leads = state.withLock { state in
            guard state.underWay < limit else { return false }
            state.underWay += 1
            return true
        }
        if leads { return .lead([]) }
        return await withCheckedContinuation { continuation in
            let leads = state.withLock { state in
                guard state.underWay >= limit else {
                    state.underWay += 1
                    return true
                }
                state.waiting.append(continuation)
                return false
            }
            if leads { continuation.resume(returning: .lead([])) }
        }
    }

    private func lead(
        _ followers: [CheckedContinuation<Role, Never>], _ round: () async throws(StorageError) -> Value
    ) async throws(StorageError) -> Value {
        let outcome: Outcome
        do throws(StorageError) {
            outcome = .success(try await round())
        } catch {
            outcome = .failure(error)
        }
        let next = state.withLock { state in
            defer { state.waiting = [] }
            if state.waiting.isEmpty { state.underWay -= 1 }
            return state.waiting
        }
        next.first?.resume(returning: .lead(Array(next.dropFirst())))
        for follower in followers { follower.resume(returning: .follow(outcome)) }
        return try outcome.get()
    }
}
