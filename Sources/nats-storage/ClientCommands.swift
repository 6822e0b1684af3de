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
        discussion: "A file appears only when it is whole and its digest is right.")

    @OptionGroup var options: ClientOptions
    @Argument(help: "The key.") var key: String
    @Option(name: .shortAndLong, help: "The file to write.") var output: String?

    func run() async throws {
        let key = try ObjectKey(validating: key)
        try await options.withStore { store in
            let object = try await store.get(key)
            guard let output else { return try await copy(object, to: .standardOutput) }
            let partial = output + ".part-\(getpid())"
            guard FileManager.default.createFile(atPath: partial, contents: nil),
                let handle = FileHandle(forWritingAtPath: partial)
            else { throw StorageError(.invalid, "“\(partial)” can't be written") }
            do {
                try await copy(object, to: handle)
                try handle.close()
            } catch {
                unlink(partial)
                throw error
            }
            guard rename(partial, output) == 0 else {
                unlink(partial)
                throw StorageError(.invalid, "“\(output)” can't be written: \(String(cString: strerror(errno)))")
            }
            if options.json { printInfo(object.info, true) }
        }
    }

    private func copy(_ object: StoredObject, to handle: FileHandle) async throws {
        var progress = Progress(total: object.range.count)
        for try await chunk in object.body {
            try handle.write(contentsOf: Data(chunk))
            progress.advance(by: chunk.count)
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
            var query = ListQuery(prefix: prefix, details: options.json)
            repeat {
                let page = try await store.list(query)
                if let objects = page.objects {
                    objects.forEach { printInfo($0, true) }
                } else {
                    page.keys.forEach { print($0) }
                }
                query.startAfter = page.next
            } while query.startAfter != nil
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
    static let configuration = CommandConfiguration(abstract: "Prints the component's events as they come, as JSON.")

    @OptionGroup var options: ClientOptions

    func run() async throws {
        let connection = try await options.connect()
        let events = try await connection.subscribe("storage.\(options.instance).events", capacity: 65_536)
        for try await event in events {
            print(String(decoding: event.payload, as: UTF8.self))
            fflush(nil)
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
