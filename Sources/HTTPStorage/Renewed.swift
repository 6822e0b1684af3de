package import FoundationEssentials
package import Storage

/// What is good for a while only: credentials, a token.
package protocol Expiring: Sendable, Equatable {
    /// From when on it is refused; nil: never.
    var expiration: Date? { get }
}

extension Expiring {
    fileprivate func ends(within seconds: TimeInterval) -> Bool {
        expiration.map { $0.timeIntervalSinceNow <= seconds } ?? false
    }
}

/// A value that expires, fetched once for all who wait and again before its end.
package actor Renewed<Value: Expiring> {
    /// Gets a new one.
    package typealias Fetch = @Sendable () async throws(StorageError) -> Value

    private let fetch: Fetch
    private var held: Value?
    private var fetching: Task<Result<Value, StorageError>, Never>?

    package init(_ fetch: @escaping Fetch) {
        self.fetch = fetch
    }

    /// A value that is still good for five minutes, or at least now.
    ///
    /// - Throws: where there is none, what fetching it threw.
    package func current() async throws(StorageError) -> Value {
        if let held, !held.ends(within: 300) { return held }
        do throws(StorageError) {
            return try await fetched()
        } catch {
            // Better the old one, as long as it lasts, than none.
            if let held, !held.ends(within: 0) { return held }
            throw error
        }
    }

    /// Forgets what the service refused; what was fetched meanwhile stays.
    package func invalidate(_ refused: Value) {
        if held == refused { held = nil }
    }

    private func fetched() async throws(StorageError) -> Value {
        // Unstructured: shared by all who wait, so that one who is cancelled does not end it for the others.
        let task =
            fetching
            ?? Task { [fetch] in
                do throws(StorageError) { return .success(try await fetch()) } catch { return .failure(error) }
            }
        fetching = task
        let result = await task.value
        if fetching == task { fetching = nil }
        let value = try result.get()
        held = value
        return value
    }
}
