import Foundation

/// For a client that waits half a second for a reply, where it is not told otherwise.
private let patience = """
    import functools, nats.aio.client
    nats.aio.client.Client.request = functools.partialmethod(nats.aio.client.Client.request, timeout=30)

    """

/// Runs a Python program with nats-py at hand, as a foreign client would.
package func python(_ program: String, _ arguments: [String]) async throws -> String {
    let path = try ProcessInfo.processInfo.environment["NATS_PYTHON"]
        .orThrow("NATS_PYTHON does not name a Python with nats-py; run deploy/test.sh")
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = ["-c", (program.contains("nats.connect") ? patience : "") + program] + arguments
    let outcome = try await process.outcome()
    guard outcome.status == 0 else {
        throw TestFailure("the Python program ended with \(outcome.status): \(outcome.complaints)")
    }
    return outcome.output
}
