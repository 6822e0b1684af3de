import ArgumentParser
import Foundation
import NATS
import Storage
import StorageClient
import StorageWire

struct Put: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Stores a file, or standard input, under a key.")

    @OptionGroup var options: ClientOptions
    @Argument(help: "The key.") var key: String
    @Argument(help: "The file; - for standard input.") var file = "-"
    @Option(help: "The content type to keep with it.") var contentType: String?
    @Flag(help: "Only if nothing is stored under the key.") var create = false

    func run() async throws {
        let key = try ObjectKey(validating: key)
        let file = try FileBody(file)
        let precondition: Precondition = create ? .absent : .none
        let attributes = ObjectAttributes(contentType: contentType)
        try await options.withStore { store in
            let put = PutOptions(precondition: precondition, attributes: attributes)
            let info = try await store.put(key, try await file.body(), options: put)
            printInfo(info, options.json)
        }
    }
}

struct Get: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Reads an object to standard output or a file.",
        discussion: """
            A file appears only when it is whole and its digest is right; a pipe or a device gets the bytes as they come.
            """)

    @OptionGroup var options: ClientOptions
    @Argument(help: "The key.") var key: String
    @Option(name: .shortAndLong, help: "The file to write; - for standard output.") var output: String?

    func run() async throws {
        let key = try ObjectKey(validating: key)
        try await options.withStore { store in
            let object = try await store.get(key)
            try await FileSink.with(output ?? "-", mode: 0o666) { sink in
                var progress = Progress(total: object.range.count)
                for try await chunk in object.body {
                    try await sink.write(chunk)
                    progress.advance(by: chunk.count)
                }
            }
            if options.json, let output, output != "-" { printInfo(object.info, true) }
        }
    }
}

struct Info: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Tells what is known of an object.")

    @OptionGroup var options: ClientOptions
    @Argument(help: "The key.") var key: String

    func run() async throws {
        let key = try ObjectKey(validating: key)
        try await options.withStore { store in printInfo(try await store.info(key), options.json) }
    }
}

struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Lists keys.", aliases: ["ls"])

    @OptionGroup var options: ClientOptions
    @Argument(help: "What the keys begin with.") var prefix = ""

    func run() async throws {
        try await options.withStore { store in
            for try await page in store.pages(ListQuery(prefix: prefix, details: options.json)) {
                if let objects = page.objects {
                    objects.forEach { printInfo($0, true) }
                } else {
                    page.keys.forEach { print($0) }
                }
            }
        }
    }
}

struct Delete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Deletes objects; one that is not there is no error.", aliases: ["rm"])

    @OptionGroup var options: ClientOptions
    @Argument(help: "The keys.") var keys: [String]

    func run() async throws {
        let keys = try keys.map { try ObjectKey(validating: $0) }
        try await options.withStore { store in
            for key in keys {
                let deleted = try await store.delete(key)
                if options.json {
                    printJSON(WireDeleted(key: key.rawValue, deleted: deleted))
                } else {
                    print(deleted ? "deleted \(key)" : "nothing at \(key)")
                }
            }
        }
    }
}

struct Watch: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Prints the component's events as they come.",
        discussion: "A line of JSON for each, with --json or without. --timeout means nothing here: it waits for ever.")

    @OptionGroup var options: ClientOptions
    @Option(
        help: "The subject, where the configuration names another than storage.INSTANCE.events; it may hold wildcards.")
    var subject: String?

    func run() async throws {
        try await options.withConnection { connection in
            let subject = subject ?? "storage.\(options.instance).events"
            for try await event in try await connection.subscribe(subject, capacity: 65_536) {
                print(String(decoding: event.payload, as: UTF8.self))
                guard fflush(nil) == 0 else {
                    throw StorageError(
                        .invalid, "standard output can't be written: \(String(cString: strerror(errno)))")
                }
            }
        }
    }
}

private func printInfo(_ info: ObjectInfo, _ json: Bool) {
    guard !json else { return printJSON(WireInfo(info)) }
    print("\(info.key)  \(info.size) bytes  version \(info.version)  \(info.digest?.description ?? "no digest")")
}

/// Prints a document, in the order of its fields' names.
func printJSON(_ value: some Encodable) {
    print(String(decoding: JSON.encode(value), as: UTF8.self))
}
