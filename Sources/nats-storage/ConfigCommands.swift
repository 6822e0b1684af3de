import ArgumentParser
import Foundation
import Storage
import StorageConfiguration

/// Looks at configuration files.
struct Config: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks configuration files, and tells what they may hold.", subcommands: [Check.self, Schema.self])

    struct Check: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Checks a configuration file and prints it as it takes effect.",
            discussion: """
                Prints YAML: with the environment's variables put in, with what holds for the keys that are missing, and \
                with (hidden) in place of secrets. Where anything is wrong it says where, and the exit status is 1. \
                Nothing is opened or connected to.
                """)

        @Argument(help: "The configuration file (YAML).") var file: String

        func run() async throws {
            guard let text = try? String(contentsOfFile: file, encoding: .utf8) else {
                throw StorageError(.invalid, "the configuration file “\(file)” can't be read")
            }
            print(try Configuration.check(yaml: text, environment: ProcessInfo.processInfo.environment), terminator: "")
        }
    }

    struct Schema: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Prints the JSON Schema of configuration files, for editors and checks.")

        func run() async throws {
            print(Configuration.schema)
        }
    }
}
