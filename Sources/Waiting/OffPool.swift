package import Dispatch

/// Runs a call that may block on a thread that is not Swift's, and returns or throws what it does; to its end, even if the
/// task is cancelled meanwhile.
///
/// - Parameter queue: one of its own where calls are to come one after the other.
package func offPool<Value: Sendable, Failure: Error>(
    on queue: DispatchQueue = .global(), _ call: @escaping @Sendable () throws(Failure) -> Value
) async throws(Failure) -> Value {
    try await withUnsafeContinuation { continuation in
        queue.async { continuation.resume(returning: Result { () throws(Failure) in try call() }) }
    }.get()
}
