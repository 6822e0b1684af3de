import Foundation

/// Returns once `isTrue`, which is about to be; an error of it ends the wait.
///
/// - Throws: ``TestFailure`` with `failure` and the place of the call, if it is not within `limit`.
package func eventually(
    _ failure: @autoclosure () throws -> String = "what was waited for has not happened",
    within limit: Duration = .seconds(60), file: StaticString = #fileID, line: UInt = #line,
    _ isTrue: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    while try await !isTrue() {
        guard ContinuousClock.now < deadline else { throw TestFailure("\(file):\(line): \(try failure())") }
        try await Task.sleep(for: .milliseconds(5))
    }
}

extension URL {
    /// What the file holds; nothing where it can't be read.
    var text: String { (try? String(contentsOf: self, encoding: .utf8)) ?? "" }
}
