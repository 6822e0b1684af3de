package import Storage

extension Backoff {
    /// Runs `attempt` until it succeeds or can't.
    ///
    /// - Parameter renew: gets new credentials, once, where the failure says that they are what is wrong; nil: there are
    ///   none.
    package func retrying<Value: Sendable, Failure: ServiceFailure>(
        renew: (() async -> Void)?, _ attempt: () async throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        var number = 0
        var renew = renew
        while true {
            do throws(Failure) {
                let value = try await attempt()
                succeeded()
                return value
            } catch {
                number += 1
                switch error.remedy {
                case .none: throw error
                case .refreshCredentials, .setClock:
                    guard let once = renew else { throw error }
                    renew = nil
                    await once()
                case .wait:
                    guard let delay = delay(after: number, asked: error.retryAfter) else { throw error }
                    guard (try? await Task.sleep(for: delay)) != nil else { throw Failure(refusal: .cancelled) }
                }
            }
        }
    }
}
