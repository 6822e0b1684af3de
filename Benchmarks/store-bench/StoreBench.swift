import ArgumentParser
import JetStreamStorage
import Logging
import NATS
import Storage
import StorageClient
import Waiting

@main
struct StoreBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "store-bench", subcommands: [Work.self, LayerBench.self, TieredBench.self, LocalBench.self],
        defaultSubcommand: Work.self)

    static func main() async {
        // As the component does.
        ProcessMemory.keepFreed()
        await main(nil)
    }
}

/// One kind of work on a store, timed; prints one line of JSON as the peers do.
struct Work: AsyncParsableCommand {
    @Argument(help: "The server: nats://… or, for S3, http://…") var url: String
    @Argument(help: "The bucket.") var bucket: String
    @Argument(
        help: """
            seed, fill, put, get, read (not verified), list, echo, remote-get or remote-put; S3: seed, put, get or stream.
            """)
    var kind: String
    @Argument(help: "The size of each object.") var size: Int
    @Argument(help: "How many operations at once.") var inFlight: Int
    @Argument(help: "How many operations in all.") var count: Int

    @Flag(help: "Ask the server each time instead of following the bucket.") var withoutIndex = false

    @Option(help: "The size of the chunks.") var chunkSize: Int?

    @Option(help: "The size of the parts, for S3.") var partSize: Int?
    @Option(help: "How many parts at once, for S3.") var parallelParts: Int?

    func run() async throws {
        if url.hasPrefix("http") {
            let work = try await s3Work()
            for index in 0..<min(size > 1 << 20 ? 1 : 50, count) where kind == "get" || kind == "put" {
                try await work(index)
            }
            return try await withTaskExecutorPreference(DeliveryExecutor.shared) {
                try await measure(count: count, inFlight: inFlight, work)
            }
        }
        var options = NATSOptions()
        options.urls = [url]
        let control = try await NATSConnection.connect(options)
        let work = try await work(control, options)
        // Connections, caches and the index warm up.
        if kind != "fill" && kind != "seed" {
            for index in 0..<min(size > 1 << 20 ? 1 : 50, count) { try await work(index) }
        }
        // As the component does.
        try await withTaskExecutorPreference(DeliveryExecutor.shared) {
            try await measure(count: count, inFlight: inFlight, work)
        }
    }

    private func work(_ control: NATSConnection, _ options: NATSOptions) async throws
        -> @Sendable (Int) async throws -> Void
    {
        switch kind {
        case "echo": return try await echo(control, options)
        case "remote-get":
            let store = RemoteStore(control)
            return { index in try await Self.get(store, index % 1000, size, GetOptions()) }
        case "remote-put":
            let (store, payload) = (RemoteStore(control), [UInt8](repeating: 7, count: size))
            return { try await store.put(Self.key("remote", $0), ObjectBody(payload)) }
        default: return try await bucketWork(control, options)
        }
    }

    private func bucketWork(_ control: NATSConnection, _ options: NATSOptions) async throws
        -> @Sendable (Int) async throws -> Void
    {
        var bulkOptions = options
        bulkOptions.isBulk = true
        let bulk = try await NATSConnection.connect(bulkOptions)
        var configuration = BucketConfiguration(name: bucket)
        if withoutIndex { configuration.index = .none }
        if let chunkSize { configuration.chunkSize = chunkSize }
        let store = try await JetStreamStore.open(
            configuration, control: control, bulk: bulk, logger: Logger(label: "bench"))
        let payload = [UInt8](repeating: 7, count: size)
        switch kind {
        case "seed": return { try await store.put(Self.key("key", $0), ObjectBody(payload)) }
        // A thousand keys below each prefix.
        case "fill": return { try await store.put(Self.key("list/" + Self.padded($0 / 1000, 3), $0), ObjectBody([])) }
        case "put": return { try await store.put(Self.key("swift", $0), ObjectBody(payload)) }
        case "get": return { try await Self.get(store, $0 % 1000, size, GetOptions()) }
        case "read": return { try await Self.get(store, $0 % 1000, size, GetOptions(verify: false)) }
        case "list":
            return { _ in
                let page = try await store.list(ListQuery(prefix: "list/004/", limit: 1000))
                guard page.keys.count == size else { throw ValidationError("\(page.keys.count) keys") }
            }
        default: throw ValidationError("unknown kind \(kind)")
        }
    }

    private func echo(_ control: NATSConnection, _ options: NATSOptions) async throws
        -> @Sendable (Int) async throws -> Void
    {
        let other = try await NATSConnection.connect(options)
        let subscription = try await other.subscribe("echo")
        Task {
            for try await message in subscription {
                try await other.publish(message.reply ?? "none", payload: message.payload)
            }
        }
        let payload = [UInt8](repeating: 7, count: size)
        return { _ in _ = try await control.request("echo", payload: payload) }
    }

    static func get(_ store: some Store, _ index: Int, _ size: Int, _ options: GetOptions) async throws {
        let object = try await store.get(key("key", index), options: options)
        var count = 0
        for try await chunk in object.body { count += chunk.count }
        guard count == size else { throw ValidationError("\(count) bytes") }
    }

    static func key(_ prefix: String, _ index: Int) throws -> ObjectKey {
        try ObjectKey(validating: "\(prefix)/\(padded(index, 6))")
    }

    private static func padded(_ number: Int, _ width: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, width - text.count)) + text
    }
}
