import Logging
import NATS
import Storage
import StorageConfiguration
import StorageLayers
import Testing

@Suite struct LayerConfigurationTests {
    private static let key = String(repeating: "0f", count: 32)

    private func store(_ text: String, _ layers: String = "[]") throws -> StoreConfiguration {
        let yaml = "instances: [{store: \(text), layers: \(layers)}]"
        return try Configuration(yaml: yaml, environment: ["KEY": Self.key]).instances[0].store
    }

    /// The store, opened: none of these needs a server.
    private func open(_ text: String, _ layers: String = "[]") throws -> any Store {
        guard case .layered(let base, let layers) = try store(text, layers) else { return MemoryStore() }
        var store: any Store = MemoryStore()
        if case .layered(_, let inner) = base { for layer in inner { store = try layer.around(store) } }
        for layer in layers { store = try layer.around(store) }
        return store
    }

    @Test func theOutermostIsLastAndAStoreHasItsOwnFirst() throws {
        guard
            case .layered(let base, let layers) = try store(
                "{type: memory, layers: [compress, {limit: {max_concurrent: 2}}]}",
                "[{retry: {max_attempts: 5}}, cache]")
        else { return #expect(Bool(false)) }
        #expect(layers.map(\.name) == ["retry", "cache"])
        guard case .layered(.memory, let inner) = base else { return #expect(Bool(false)) }
        #expect(inner.map(\.name) == ["compress", "limit"])
        let opened = try open("{type: memory, layers: [compress, limit]}", "[retry, cache]")
        #expect(opened is CachedStore)
        guard case .memory = try store("{type: memory}") else { return #expect(Bool(false)) }
    }

    @Test func everyLayerTakesItsOptions() async throws {
        let layers = """
            [{prefix: {prefix: team/a}}, {limit: {max_concurrent: 2, max_waiting: 5}},
             {retry: {max_attempts: 2, base_delay: 1ms, max_delay: 1s, budget: 3, replay_limit: 1MiB}},
             {throttle: {reads_per_minute: 60000, writes_per_minute: 60000, burst: 5, bytes_per_second: 1GiB,
                         when_exceeded: refuse, max_wait: 1s}},
             {encrypt: {keys: {a: "${KEY}"}, current_key: a, chunk_size: 4KiB, read_plaintext: true}},
             {compress: {algorithm: gzip, level: 9, minimum_size: 1}}, {compress: {algorithm: zstd, level: 19}},
             {observe: {shards: 2, buffer: 100, overflow: block}}, observe,
             {blocks: {block_size: 64KiB, grace: 10m, collect_every: never}},
             {cache: {max_entries: 5, max_bytes: 1MiB, max_object_size: 10KiB, strategy: lru, ttl: 5m, negative_ttl: 1s}},
             {faults: {latency: 1ms, fail_every: 1000000, fail_probability: 0, seed: 7, error: throttled, moment: after,
                       operations: [put, get], cut_after: 1MiB}},
             {metrics: {name: x}}, metrics, {metrics: }]
            """
        let store = try open("{type: memory}", layers)
        let key = try ObjectKey(validating: "k")
        try await store.put(key, ObjectBody("content"))
        #expect(try await store.bytes(key) == Array("content".utf8))
        let readOnly = try open("{type: memory}", "[readonly]")
        await #expect(throws: StorageError.self) { try await readOnly.put(key, ObjectBody("x")) }
    }

    @Test func optionsHaveTheirEffect() async throws {
        let key = try ObjectKey(validating: "k")
        let faulty = try open("{type: memory}", "[{faults: {fail_every: 2, error: not_found, operations: list}}]")
        _ = try await faulty.list(ListQuery())
        await #expect { try await faulty.list(ListQuery()) } throws: { ($0 as? StorageError)?.kind == .notFound }
        let throttled = try open("{type: memory}", "[{throttle: {writes_per_minute: 1, when_exceeded: refuse}}]")
        try await throttled.put(key, ObjectBody("x"))
        await #expect { try await throttled.put(key, ObjectBody("x")) } throws: {
            ($0 as? StorageError)?.kind == .throttled
        }
    }

    @Test func blocksAreAStoreToo() async throws {
        let store = try open("{type: blocks, store: {type: memory}, block_size: 2KiB, grace: 5m}", "[]")
        let blocks = try #require(store as? BlockStore)
        try await blocks.put(ObjectKey(validating: "k"), ObjectBody(Array(repeating: 1, count: 5000)))
        #expect(try await blocks.bytes(ObjectKey(validating: "k")).count == 5000)
        #expect(throws: ConfigurationError.self) { try self.store("{type: blocks}") }
        #expect(throws: ConfigurationError.self) {
            try self.store("{type: blocks, store: {type: memory}, block_size: 1}")
        }
    }

    @Test(arguments: [("none", false), ("gzip", true), ("zstd", true)])
    func tiersAreCompressed(_ compression: String, _ isCompressed: Bool) async throws {
        let store = try open(
            "{type: tiered, hot: {type: memory}, cold: {type: memory}, compression: \(compression)}", "[]")
        #expect(store is CompressedStore == isCompressed)
        try await store.put(ObjectKey(validating: "k"), ObjectBody(Array(repeating: 1, count: 5000)))
        #expect(try await store.bytes(ObjectKey(validating: "k")) == Array(repeating: 1, count: 5000))
        await store.shutdown()
    }

    @Test(arguments: [
        ("[{cache: {max_entries: 0}}]", "instances[0].layers[0].cache.max_entries: 0 is not in 1…"),
        (
            "[metrics, {cache: {strategy: magic}}]",
            "instances[0].layers[1].cache.strategy: “magic” is none of hybrid, lru"
        ),
        ("[{cache: {size: 1}}]", "instances[0].layers[0].cache.size: is no key known here"),
        ("[{cache: {}, retry: {}}]", "instances[0].layers[0]: is not one layer"),
        ("[{}]", "instances[0].layers[0]: is not one layer"),
        ("[{tape: {}}]", "instances[0].layers[0].tape: is no key known here"),
        ("[{retry: 5}]", "instances[0].layers[0].retry: is not a mapping"),
        ("[{retry: {max_delay: soon}}]", "instances[0].layers[0].retry.max_delay: is no duration"),
        ("[prefix]", "instances[0].layers[0]: has no prefix"),
        ("[{prefix: {prefix: /a}}]", "instances[0].layers[0].prefix.prefix: key"),
        ("[{compress: {algorithm: rot13}}]", "instances[0].layers[0].compress.algorithm: “rot13”"),
        ("[{compress: {algorithm: gzip, level: 10}}]", "instances[0].layers[0].compress: gzip has no level 10"),
        ("[encrypt]", "instances[0].layers[0]: has no keys"),
        ("[{encrypt: {keys: {}}}]", "instances[0].layers[0].encrypt: of several keys current_key"),
        ("[{encrypt: {keys: {a: short}}}]", "instances[0].layers[0].encrypt.keys.a: is no key"),
        ("[{encrypt: {keys: {a: \"${KEY}\", b: \"${KEY}\"}}}]", "instances[0].layers[0].encrypt: of several keys"),
        ("[{encrypt: {keys: {a: \"${KEY}\"}, current_key: b}}]", "instances[0].layers[0].encrypt: there is no"),
        ("[{encrypt: {keys: {a: {file: /no/such}}}}]", "instances[0].layers[0].encrypt.keys.a: file"),
        ("[{observe: {overflow: wait}}]", "instances[0].layers[0].observe.overflow: “wait” is none of drop, block"),
        ("[{observe: {shards: 0}}]", "instances[0].layers[0].observe.shards: 0 is not in 1…1024"),
        ("[{faults: {fail_probability: 2}}]", "instances[0].layers[0].faults.fail_probability: 2.0 is not in"),
        ("[{faults: {operations: [put, fly]}}]", "instances[0].layers[0].faults.operations[1]: “fly”"),
        ("[{throttle: {bytes_per_second: 0}}]", "instances[0].layers[0].throttle.bytes_per_second: 0"),
    ])
    func mistakesAreNamed(_ layers: String, _ expected: String) {
        let error = #expect(throws: ConfigurationError.self) { try store("{type: memory}", layers) }
        #expect(error?.description.contains(expected) == true, "\(error?.description ?? "")")
        let inner = #expect(throws: ConfigurationError.self) { try store("{type: memory, layers: \(layers)}") }
        let path = expected.replacing("instances[0].layers", with: "instances[0].store.layers")
        #expect(inner?.description.contains(path) == true, "\(inner?.description ?? "")")
    }

    @Test func aCheckPrintsWhatTakesEffectAndNoSecret() throws {
        let yaml = """
            nats: {url: "nats://me:password1@host:4222", user: me, password: password2}
            instances:
              - store:
                  type: s3
                  bucket: "${BUCKET}"
                  access_key_id: password3
                  secret_access_key: "${SECRET}"
                  layers: [readonly, {encrypt: {keys: {a: "${KEY}", b: "${KEY}"}, current_key: b}}]
                layers: [{retry: {max_attempts: 7}}]
                keys: {generator: composite, generators: [{generator: nuid, prefix: "a: b"}]}
                ports: {inputs: [{name: get, subject: my.get}]}
            """
        let environment = ["BUCKET": "my-bucket", "SECRET": "password4", "KEY": Self.key]
        let printed = try Configuration.check(yaml: yaml, environment: environment)
        for secret in ["password1", "password2", "password3", "password4", Self.key] {
            #expect(!printed.contains(secret), "\(printed)")
        }
        for line in [
            "  url:", "    - nats://(hidden)@host:4222", "  user: me", "  password: (hidden)",
            "  - name: objectstore  # unless given", "      bucket: my-bucket",
            "      part_size: 5MiB  # unless given", "        - readonly", "        - encrypt:",
            "              a: (hidden)",
            "            current_key: b", "            chunk_size: 64KiB  # unless given", "          max_attempts: 7",
            "          base_delay: 100ms  # unless given", "          prefix: \"a: b\"", "            - my.get",
        ] {
            #expect(printed.split(separator: "\n").contains { $0 == line }, "\(line) in\n\(printed)")
        }
        // What is printed is a configuration again, as far as it holds no secrets.
        let plain = try Configuration.check(
            yaml: "instances: [{store: {type: memory, max_entries: 5}, layers: [cache, compress], "
                + "ports: {inputs: [{name: get, subject: g}, {name: write}], outputs: [{name: stored}]}}]",
            environment: [:])
        #expect(try Configuration.check(yaml: plain, environment: [:]).contains("max_entries: 5"))
        #expect(throws: ConfigurationError.self) { try Configuration.check(yaml: "instances: 1", environment: [:]) }
    }
}
