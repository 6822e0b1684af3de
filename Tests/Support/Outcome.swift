package import Foundation

/// What a process said, and how it ended.
package struct Outcome: Sendable {
    package let status: Int32
    /// The signal that ended it, if any.
    package let signal: Int32?
    package let output: String
    package let complaints: String
}

extension Process {
    /// Runs it to its end, without input.
    package func outcome() async throws -> Outcome {
        let (output, complaints) = (Pipe(), Pipe())
        standardInput = FileHandle.nullDevice
        standardOutput = output
        standardError = complaints
        try run()
        async let text = output.text()
        async let errors = complaints.text()
        let (all, wrong) = await (text, errors)
        await finish()
        let signal = terminationReason == .uncaughtSignal ? terminationStatus : nil
        return Outcome(status: terminationStatus, signal: signal, output: all, complaints: wrong)
    }

    /// Waits for its end, off Swift's threads.
    package func finish() async {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                self.waitUntilExit()
                continuation.resume()
            }
        }
    }
}

extension Pipe {
    fileprivate func text() async -> String {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                let data = self.fileHandleForReading.readDataToEndOfFile()
                continuation.resume(returning: String(decoding: data, as: UTF8.self))
            }
        }
    }
}
