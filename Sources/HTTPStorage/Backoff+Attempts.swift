package import Storage

extension Backoff {
    /// Runs `attempt` until it succeeds or can't. The failure thrown tells of an earlier one that left in doubt whether the
    /// request happened.
    ///
    /// - Parameter renew: gets new credentials, once, where the failure says that they are what is wrong; nil: there are
    ///   none.
    package func retrying<Value: Sendable, Failure: ServiceFailure>(
        renew: (() async -> Void)?, _ attempt: () async throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        var number = 0
        var renew = renew
        var earlier: (any ServiceFailure)?
        while true {
            do throws(Failure) {
                let value = try await attempt()
                succeeded()
                return value
            } catch {
                number += 1
                var failure = error
                earlier = earlier ?? failure.earlier
                failure.earlier = earlier
                switch failure.remedy {
                case .none: throw failure
                case .refreshCredentials, .setClock:
                    guard let once = renew else { throw failure }
                    renew = nil
                    await once()
                case .wait:
                    guard let delay = delay(after: number, asked: failure.retryAfter) else { throw failure }
                    guard (try? await Task.sleep(for: delay)) != nil else { throw Failure(refusal: .cancelled) }
                }
                if earlier == nil, failure.mayHaveHappened { earlier = failure }
            }
        }
    }
}
