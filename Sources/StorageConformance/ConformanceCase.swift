public import Storage

/// One clause of a store's contract, as a test that any store can be put to.
///
/// A case works beneath a key of its own and cleans up after itself, so that it may run on a store that is in use and
/// beside other cases.
public struct ConformanceCase: Sendable, CustomStringConvertible {
    /// What a case does; throws where the store does not do what it should.
    public typealias Body = @Sendable (ConformanceScope) async throws -> Void

    /// What it proves, as `group/what-holds`.
    public let name: String
    /// What the store must be able to do for it. Of a store that is not, the refusal is asserted instead.
    public let needs: Capabilities
    /// Whether it shuts the store down, which then can't be cleaned up: such a case leaves nothing there before.
    private let endsStore: Bool
    private let body: Body

    /// A case of one's own, beside those of ``ConformanceSuite``.
    public init(_ name: String, needs: Capabilities = [], _ body: @escaping Body) {
        self.init(name, needs: needs, endsStore: false, body)
    }

    init(_ name: String, needs: Capabilities = [], endsStore: Bool, _ body: @escaping Body) {
        self.name = name
        self.needs = needs
        self.endsStore = endsStore
        self.body = body
    }

    /// The name.
    public var description: String { name }

    /// Puts `store` to the test.
    ///
    /// Never hangs: where the store does not answer within `limit` the case failed. What the store still does then it
    /// does on its own.
    public func run(on store: any Store, limit: Duration = .seconds(120)) async -> CaseResult {
        let start = ContinuousClock.now
        let outcome = await first(within: limit) { await judge(store) }
        return CaseResult(name: name, outcome: outcome, duration: ContinuousClock.now - start)
    }

    private func judge(_ store: any Store) async -> CaseResult.Outcome {
        let scope = ConformanceScope(store: store)
        let missing = needs.subtracting(store.capabilities)
        var complaint: String?
        do {
            if missing.isEmpty { try await body(scope) } else { try await scope.expectRefusal(of: missing) }
        } catch {
            complaint = "\(error)"
        }
        do throws(StorageError) {
            try await scope.cleanUp()
        } catch {
            if !endsStore { complaint = complaint ?? "cleaning up: \(error)" }
        }
        return complaint.map { .failed($0) } ?? (missing.isEmpty ? .passed : .refused)
    }

    private func first(
        within limit: Duration, _ work: @escaping @Sendable () async -> CaseResult.Outcome
    ) async -> CaseResult.Outcome {
        let (outcomes, feed) = AsyncStream.makeStream(of: CaseResult.Outcome.self, bufferingPolicy: .bufferingOldest(1))
        // Unstructured: a store that ignores cancellation would keep a task group waiting for ever.
        let tasks = [
            Task { _ = feed.yield(await work()) },
            Task {
                guard (try? await Task.sleep(for: limit)) != nil else { return }
                feed.yield(.failed("did not end within \(limit)"))
            },
        ]
        defer { tasks.forEach { $0.cancel() } }
        return await withTaskCancellationHandler {
            var iterator = outcomes.makeAsyncIterator()
            return await iterator.next() ?? .failed("was cancelled")
        } onCancel: {
            tasks.forEach { $0.cancel() }
        }
    }
}

/// How a case ended.
public struct CaseResult: Sendable {
    /// The ways to end.
    public enum Outcome: Sendable, Hashable {
        /// The store does what the case asks for.
        case passed
        /// The store says that it can't, and refuses as it should.
        case refused
        /// It does not, for this reason.
        case failed(String)
    }

    /// The case's name.
    public let name: String
    /// How it ended.
    public let outcome: Outcome
    /// How long it took.
    public let duration: Duration

    /// Why it failed; nil where it did not.
    public var complaint: String? {
        if case .failed(let complaint) = outcome { complaint } else { nil }
    }

    /// Whether it failed.
    public var isFailure: Bool { complaint != nil }
}

/// What is wrong with a store.
public struct ConformanceFailure: Error, Sendable, CustomStringConvertible {
    /// A sentence for a person.
    public let description: String

    /// A failure with this sentence.
    public init(_ description: String) {
        self.description = description
    }
}
