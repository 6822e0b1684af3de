package import Dispatch

/// Runs a call that may block on a thread that is not Swift's, and returns what it returns; to its end, even if the task
/// is cancelled meanwhile.
///
/// - Parameter queue: one of its own where calls are to come one after the other.
package func offPool<Value: Sendable>(
    on queue: DispatchQueue = .global(), _ call: @escaping @Sendable () -> Value
) async -> Value {
    await withUnsafeContinuation { continuation in
        queue.async { continuation.resume(returning: call()) }
    }
}
