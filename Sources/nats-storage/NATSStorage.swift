import ArgumentParser
import Glibc
import Storage
import StorageService

/// The program: the component itself, and its clients.
@main
struct NATSStorage: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "nats-storage",
        abstract: "Keeps objects of any size for programs on NATS.",
        discussion: """
            Start the component with `nats-storage serve`, then store and read from any machine that reaches the same \
            NATS server:

              nats-storage put reports/may.pdf may.pdf
              nats-storage list reports/
              nats-storage get reports/may.pdf -o copy.pdf

            The exit status is 0, or 1 with the reason on standard error, or 2 for wrong usage.
            """,
        version: StorageComponent.version,
        subcommands: [
            Serve.self, Put.self, Get.self, Info.self, List.self, Delete.self, Watch.self, Clean.self, Verify.self,
            VerifyStore.self, Config.self, SnapshotCommand.self, Copy.self,
        ])

    /// Exits with 0, with 1 and the message on standard error, or with 2 for wrong usage.
    static func main() async {
        if CommandLine.arguments.dropFirst().first == "serve" { takeSignals() }
        ProcessMemory.keepFreed()
        do {
            var command = try parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch let code as ExitCode {
            // What there was to say is said.
            Glibc.exit(code.rawValue)
        } catch {
            switch exitCode(for: error) {
            case .success: exit(withError: error)
            case .validationFailure: end(fullMessage(for: error), 2)
            default: end("nats-storage: \(error)", 1)
            }
        }
    }

    /// Of the component, from the first moment on: SIGHUP ends nothing, its file is read again in time. What ends it does
    /// so as a container's first process too, which the system spares every signal that it does not handle.
    private static func takeSignals() {
        signal(SIGHUP, SIG_IGN)
        for ending in [SIGTERM, SIGINT] { signal(ending) { _ in _exit(0) } }
    }

    private static func end(_ message: String, _ status: Int32) -> Never {
        complain(message)
        Glibc.exit(status)
    }
}

/// Writes a line to standard error.
func complain(_ message: String) {
    StatusLine.clear()
    let line = Array((message + "\n").utf8)
    _ = write(STDERR_FILENO, line, line.count)
}
