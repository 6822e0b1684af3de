import FileStorage
import Foundation
import GCSStorage
import JetStreamStorage
import Logging
import HTTP
import NATS
import S3Storage
import SQLiteStorage
import Storage
import StorageOperations
import StorageConfiguration
import StorageService
import StorageWire
import Testing

@Suite struct ConfigurationTests {
    private func parse(_ yaml: String, _ environment: [String: String] = [:]) throws -> Configuration {
        try Configuration(yaml: yaml, environment: environment)
    }

    @Test func everyKeyArrives() throws {
        let configuration = try parse(
            """
            nats: {url: [nats://a:1, "${SECOND}", "${THIRD:-nats://c:3}"]}
            log: {level: debug}
            instances:
              - name: i
                store: {type: jetstream, bucket: B, create: false, replicas: 3, storage: memory, ttl: 5m, max_bytes: 10MiB,
                        compression: true, chunk_size: 64KiB, consistency: any, metadata: {team: a}, placement: {cluster: c, tags: [ssd]}, index: none,
                        clean_every: never, clean_after: 5m}
                keys: {generator: composite, generators: [{generator: entity, field: id}, {generator: nuid, prefix: n}]}
                metadata: {extractor: json, fields: [a.b]}
                limits: {max_object_size: 1GiB, max_in_flight: 7, request_timeout: 500ms}
                ports: {inputs: [{name: get, type: request, subject: my.get}], outputs: [{name: events, subject: "e.{type}"}]}
              - store: {type: memory, max_entries: 5, when_full: refuse}
            """, ["SECOND": "nats://b:2"])
        #expect(configuration.nats.urls == ["nats://a:1", "nats://b:2", "nats://c:3"])
        #expect(configuration.log.level == .debug)
        let (instance, store) = configuration.instances[0]
        #expect(instance.limits.maxObjectSize == 1 << 30 && instance.limits.maxInFlight == 7)
        #expect(instance.limits.requestTimeout == .milliseconds(500))
        #expect(instance.subject(.get) == "my.get" && instance.subject(.put) == "storage.i.put")
        guard case .jetStream(let bucket) = store else { return #expect(Bool(false)) }
        #expect(bucket.name == "B" && !bucket.create && bucket.replicas == 3 && bucket.ttl == .seconds(300))
        #expect(bucket.maxBytes == 10 << 20 && bucket.compression && bucket.chunkSize == 64 << 10)
        #expect(bucket.metadata == ["team": "a"] && bucket.cluster == "c" && bucket.tags == ["ssd"])
        #expect(bucket.index == .none && bucket.cleanEvery == nil && bucket.cleanAfter == .seconds(300))
        guard case .memory(let limits) = configuration.instances[1].store else { return #expect(Bool(false)) }
        #expect(limits.maxEntries == 5 && limits.whenFull == .refuse)
    }

    @Test func serversInOneTextHaveCommasBetweenThem() throws {
        let yaml = "nats: {url: \"${URL:-nats://c:3}\"}\ninstances: [{store: {type: memory}}]"
        #expect(try parse(yaml, ["URL": "nats://a:1, nats://b:2,"]).nats.urls == ["nats://a:1", "nats://b:2"])
        let secrets = "nats://u:a,b,c@h:1,d,nats://u:p@h:2,u:p@h:3"
        let urls = ["nats://u:a,b,c@h:1", "d", "nats://u:p@h:2", "u:p@h:3"]
        #expect(try parse(yaml, ["URL": secrets]).nats.urls == urls)
        // A variable that is empty is as one that is not there.
        for environment in [[:], ["URL": ""]] { #expect(try parse(yaml, environment).nats.urls == ["nats://c:3"]) }
        #expect { try parse("nats: {url: \" , \"}\ninstances: [{store: {type: memory}}]") } throws: {
            "\($0)".contains("is no URL such as")
        }
    }

    @Test func inputsAndOutputsFromTheirKeys() throws {
        let configuration = try parse(
            """
            instances:
              - name: i
                store: {type: memory}
                ports:
                  inputs:
                    - {name: write, type: jetstream, stream: S, durable: d, subject: [a, b.>], max_in_flight: 7, order: key,
                       deduplicate: digest, dead_letter: dead, deliver: by_start_time, start_time: "2026-01-31T12:00:00Z",
                       ack_wait: 5s, max_deliver: 9, backoff: [100ms, 1m]}
                    - {name: write, type: jetstream, stream: T}
                    - {name: write, subject: [x, y]}
                  outputs:
                    - {name: events, type: jetstream, subject: "e.{type}", types: [stored, failed], format: cloudevents}
                    - {name: events, sample: 0.25}
                    - {name: stored, type: jetstream, subject: refs}
              - {name: j, store: {type: memory}, ports: {inputs: [{name: write, type: jetstream, stream: S}]}}
            """)
        let instance = configuration.instances[0].configuration
        #expect(
            instance.inputs.map(\.source) == [
                .stream("S", subjects: ["a", "b.>"], durable: "d"), .stream("T", durable: "storage-i"),
                .core(subject: "x"), .core(subject: "y"),
            ])
        let input = instance.inputs[0]
        #expect(input.maxInFlight == 7 && input.order == .key && input.deduplication == .digest)
        #expect(input.deadLetter == "dead" && input.ackWait == .seconds(5) && input.maxDeliver == 9)
        #expect(input.deliver == .since(Date(timeIntervalSince1970: 1_769_860_800)))
        #expect(input.backoff == [.milliseconds(100), .seconds(60)])
        #expect(instance.inputs[1].deliver == .all && instance.inputs[1].maxDeliver == nil)
        #expect(instance.events.map(\.subject) == ["e.{type}", "storage.i.events"])
        #expect(instance.events[0].delivery == .jetStream && instance.events[0].format == .cloudEvents)
        #expect(instance.events[0].types == [.stored, .failed] && instance.events[1].sample == 0.25)
        #expect(instance.stored.map(\.subject) == ["refs"] && instance.stored[0].delivery == .jetStream)
        #expect(
            configuration.instances[1].configuration.inputs.map(\.source) == [.stream("S", durable: "storage-j")])
    }

    @Test(arguments: [
        "nats://a", "nats://u:p@a:4222", "tls://a:1/", "a", "a:4222", "nats://[::1]:4222", "[::1]",
        "nats://token@10.0.0.1:1",
    ])
    func urlsAreTaken(_ url: String) throws {
        let configuration = try parse("nats: {url: '\(url)'}\ninstances: [{store: {type: memory}}]")
        #expect(configuration.nats.urls == [url])
    }

    @Test(arguments: [
        ("inputs: [{name: write, type: jetstream}]", "ports.inputs[0]: has no stream"),
        ("inputs: [{name: get, order: key}]", "ports.inputs[0].order"),
        ("inputs: [{name: write, type: core, ack_wait: 5s}]", "ports.inputs[0].ack_wait"),
        ("inputs: [{name: write, type: request}]", "this type does not fit port write"),
        ("inputs: [{name: put, type: jetstream, stream: S}]", "this type does not fit port put"),
        ("inputs: [{name: get, subject: [a, b]}]", "more than one subject"),
        ("inputs: [{name: write, type: jetstream, stream: S, ack_wait: 5ms}]", "ack_wait"),
        ("inputs: [{name: write, type: jetstream, stream: S, start_time: noon}]", "start_time"),
        ("inputs: [{name: write, type: jetstream, stream: S, deliver: by_start_time}]", "start_time"),
        (
            "inputs: [{name: write, type: jetstream, stream: S}, {name: write, type: jetstream, stream: S, subject: a}]",
            "durable"
        ),
        (
            "inputs: [{name: write, subject: a.*}, {name: write, type: jetstream, stream: S, subject: a.b}]",
            "write would store what comes on “a.*” twice"
        ),
        ("inputs: [{name: put, subject: storage.objectstore.get}]", "instances[0].ports: put and get both take"),
        ("inputs: [{name: write, subject: 'storage.*.put'}]", "instances[0].ports: put and write both take"),
        ("inputs: [{name: write, subject: storage.objectstore.stored}]", "instances[0].ports: write takes from"),
        ("inputs: [{name: write, subject: in, dead_letter: in}]", "write takes from “in” the dead letters"),
        (
            "inputs: [{name: write, type: jetstream, stream: S, subject: 'e.>'}], "
                + "outputs: [{name: events, subject: 'e.{type}.{instance}'}]", "write takes from “e.>” the events"
        ),
        ("inputs: [{name: write, subject: [a, 'b c']}]", "ports.inputs[0].subject[1]: “b c” is no subject"),
        ("inputs: [{name: upload, subject: 'a.*'}]", "ports.inputs[0].subject: “a.*” is no subject without wildcards"),
        ("inputs: [{name: write, dead_letter: 'a.*'}]", "ports.inputs[0].dead_letter: “a.*” is no subject without"),
        ("inputs: [{name: write, type: jetstream, stream: bad name}]", "ports.inputs[0].stream: “bad name” is no name"),
        ("inputs: [{name: write, type: jetstream, stream: S, durable: a.b}]", "ports.inputs[0].durable: “a.b” is no"),
        ("outputs: [{name: events, subject: 'x.*'}]", "ports.outputs[0].subject: “x.*” is no subject without"),
        ("outputs: [{name: events, subject: 'x.{typ}'}]", "ports.outputs[0].subject: “x.{typ}” holds other braces"),
        ("outputs: [{name: stored, types: [stored]}]", "ports.outputs[0].types"),
        ("outputs: [{name: events, types: [gone]}]", "ports.outputs[0].types"),
        ("outputs: [{name: events, sample: 2}]", "ports.outputs[0].sample"),
    ])
    func portsThatMakeNoSense(_ ports: String, _ complaint: String) throws {
        let yaml = "instances: [{store: {type: memory}, ports: {\(ports)}}]"
        #expect {
            try parse(yaml)
        } throws: { error in
            "\(error)".contains(complaint)
        }
    }

    @Test func aFileStoreFromItsKeys() throws {
        let configuration = try parse(
            """
            instances:
              - store: {type: file, path: "${FOLDER}/objects", durability: batched, verify: false, threads: 3,
                        temporary_grace: 5m, sweep_interval: 1h}
              - {name: other, store: {type: file, path: x}}
            """, ["FOLDER": "/data"])
        guard case .file(let file) = configuration.instances[0].store else { return #expect(Bool(false)) }
        #expect(file.path == "/data/objects" && file.durability == .batched && !file.verify && file.threads == 3)
        #expect(file.temporaryGrace == .seconds(300) && file.sweepInterval == .seconds(3600))
        guard case .file(let plain) = configuration.instances[1].store else { return #expect(Bool(false)) }
        #expect(plain == FileStoreConfiguration(path: "x") && plain.durability == .always && plain.verify)
    }

    @Test func aSQLiteStoreFromItsKeys() throws {
        let configuration = try parse(
            """
            instances:
              - store: {type: sqlite, path: /data/store.db, durability: none, verify: false, readers: 2,
                        busy_timeout: 1s, upload_grace: 1h, reader_grace: 2m, sweep_interval: 1d}
            """)
        guard case .sqlite(let sqlite) = configuration.instances[0].store else { return #expect(Bool(false)) }
        #expect(sqlite.path == "/data/store.db" && sqlite.durability == .none && !sqlite.verify && sqlite.readers == 2)
        #expect(sqlite.busyTimeout == .seconds(1) && sqlite.uploadGrace == .seconds(3600))
        #expect(sqlite.readerGrace == .seconds(120) && sqlite.sweepInterval == .seconds(86_400))
    }

    @Test func s3FromItsKeys() throws {
        let configuration = try parse(
            """
            instances:
              - store: {type: s3, bucket: my-bucket, prefix: team/, region: eu-west-1, endpoint: "http://s3.local:9000",
                        force_path_style: false, access_key_id: "${ID}", secret_access_key: "${SECRET}",
                        payload_signing: signed, part_size: 16MiB, create: true, conditional_writes: supported,
                        stall_timeout: 5s, max_connections: 7, ca: ca.pem, list_order: bytes, abort_uploads_after: 7d}
            """, ["ID": "key-id", "SECRET": "very-secret"])
        guard case .s3(let bucket) = configuration.instances[0].store else { return #expect(Bool(false)) }
        #expect(bucket.bucket == "my-bucket" && bucket.prefix == "team/" && bucket.region == "eu-west-1")
        #expect(bucket.endpoint == "http://s3.local:9000" && bucket.forcePathStyle == false && bucket.create)
        #expect(bucket.partSize == 16 << 20 && bucket.http.stallTimeout == .seconds(5))
        #expect(bucket.abortUploadsAfter == .seconds(7 * 86_400) && bucket.listOrder == .bytes)
        #expect(bucket.http.connectionsPerHost == 7 && bucket.http.certificateAuthorities == "ca.pem")
        guard case .fixed(let credentials) = bucket.credentials else { return #expect(Bool(false)) }
        #expect(credentials.accessKeyID == "key-id" && credentials.secretAccessKey == "very-secret")
        #expect(!"\(configuration)".contains("very-secret"))
    }

    @Test func gcsFromItsKeys() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appending(path: "account.json").path
        let pem = try privateKey()
        let account = ["client_email": "name@project", "private_key": pem]
        let json = try JSONSerialization.data(withJSONObject: account)
        try json.write(to: URL(filePath: file))
        let yaml = """
            instances:
              - store: {type: gcs, bucket: my-bucket, prefix: team/, endpoint: "${ENDPOINT:-}", CREDENTIALS,
                        create: true, project: p, part_size: 1MiB, max_attempts: 3, max_connections: 7}
            """
        for credentials in ["credentials: {file: \(file)}", "credentials: \"${KEY}\"", "credentials_file: \(file)"] {
            let configuration = try parse(
                yaml.replacingOccurrences(of: "CREDENTIALS", with: credentials),
                ["KEY": String(decoding: json, as: UTF8.self)])
            guard case .gcs(let bucket) = configuration.instances[0].store else { return #expect(Bool(false)) }
            #expect(bucket.bucket == "my-bucket" && bucket.prefix == "team/" && bucket.createInProject == "p")
            #expect(bucket.endpoint == "https://storage.googleapis.com" && bucket.partSize == 1 << 20)
            #expect(bucket.maxAttempts == 3 && bucket.http.connectionsPerHost == 7)
            guard case .key(let key) = bucket.credentials else { return #expect(Bool(false)) }
            #expect(key.email == "name@project")
            var dumped = ""
            dump(configuration, to: &dumped)
            let secret = pem.split(separator: "\n")[1]
            #expect(!dumped.contains(secret) && !"\(configuration)".contains(secret))
        }
    }

    @Test(arguments: [
        ("anonymous: true, project: p", "p"), ("anonymous: true", "emulated"),
        ("credentials_file: FILE", "of-the-key"), ("credentials_file: FILE, project: p", "p"),
    ])
    func gcsMakesItsBucketInAProject(_ keys: String, _ project: String) throws {
        let file = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        let account = ["client_email": "name@project", "private_key": try privateKey(), "project_id": "of-the-key"]
        try JSONSerialization.data(withJSONObject: account).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let keys = keys.replacing("FILE", with: file.path)
        let configuration = try parse("instances: [{store: {type: gcs, bucket: my-bucket, create: true, \(keys)}}]")
        guard case .gcs(let bucket) = configuration.instances[0].store else { return #expect(Bool(false)) }
        #expect(bucket.createInProject == project)
    }

    private func privateKey() throws -> String {
        let openssl = Process()
        openssl.executableURL = URL(filePath: "/usr/bin/openssl")
        openssl.arguments = ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]
        let output = Pipe()
        openssl.standardOutput = output
        openssl.standardError = FileHandle.nullDevice
        try openssl.run()
        return String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    }

    @Test(arguments: [
        ("instances: [{store: {type: memory, bukket: x}}]", "instances[0].store.bukket"),
        (
            "instances: [{store: {type: gcs, bucket: abc, create: true}}]",
            "instances[0].store: has create, but no project"
        ),
        (
            "instances: [{store: {type: gcs, bucket: abc, anonymous: true, credentials_file: /etc/passwd}}]",
            "instances[0].store: has both credentials_file and anonymous"
        ),
        (
            "instances: [{store: {type: gcs, bucket: abc, credentials_file: /no/such}}]",
            "instances[0].store.credentials_file: file “/no/such” can't be read"
        ),
        ("instance: []", "instance: is no key known here"),
        ("nats: {}", "has no instances"),
        ("instances: [{store: {type: tape}}]", "instances[0].store: type “tape”"),
        ("instances: [{store: {type: jetstream}}]", "instances[0].store: has no bucket"),
        ("instances: [{store: {type: memory}, limits: {max_in_flight: 0}}]", "instances[0].limits.max_in_flight: 0"),
        ("instances: [{store: {type: memory}, limits: {max_in_flight: many}}]", "instances[0].limits.max_in_flight"),
        ("instances: [{store: {type: memory, max_bytes: 1XB}}]", "instances[0].store.max_bytes"),
        ("instances: [{store: {type: memory}, limits: {request_timeout: 5}}]", "instances[0].limits.request_timeout"),
        ("instances: [{name: a b, store: {type: memory}}]", "instances[0].name: instance name"),
        ("instances: [{store: {type: memory}, keys: {prefix: /x}}]", "instances[0].keys: key"),
        ("instances: [{store: {type: memory}}, {store: {type: memory}}]", "same name"),
        ("instances: [{store: {type: memory}, layers: [tape]}]", "instances[0].layers[0]: “tape” is none of cache"),
        ("nats: {url: \"${NOT_SET}\"}\ninstances: []", "nats.url: the environment variable NOT_SET"),
        (
            "instances: [{store: {type: memory}, ports: {inputs: [{name: events}]}}]",
            "instances[0].ports.inputs[0].name"
        ),
        ("instances: [{store: {type: file}}]", "instances[0].store: has no path"),
        ("instances: [{store: {type: file, path: x, durability: some}}]", "instances[0].store.durability"),
        ("instances: [{store: {type: file, path: x, threads: 0}}]", "instances[0].store.threads"),
        ("instances: [{store: {type: sqlite}}]", "instances[0].store: has no path"),
        ("instances: [{store: {type: sqlite, path: x, durability: batched}}]", "instances[0].store.durability"),
        ("instances: [{store: {type: s3}}]", "instances[0].store: has no bucket"),
        ("instances: [{store: {type: s3, bucket: b}}]", "instances[0].store: “b” is no bucket's name"),
        ("instances: [{store: {type: s3, bucket: bbb, part_size: 1MiB}}]", "instances[0].store.part_size"),
        ("instances: [{store: {type: s3, bucket: bbb, access_key_id: x}}]", "needs both access_key_id and"),
        ("instances: [{store: {type: s3, bucket: bbb, payload_signing: no}}]", "instances[0].store.payload_signing"),
        ("instances: [{store: {type: gcs}}]", "instances[0].store: has no bucket"),
        ("instances: [{store: {type: gcs, bucket: B}}]", "instances[0].store: “B” is no bucket's name"),
        ("instances: [{store: {type: gcs, bucket: bbb, part_size: 300KiB}}]", "no multiple of 256 KiB"),
        ("instances: [{store: {type: gcs, bucket: bbb, credentials: x}}]", "credentials: the credentials are no"),
        ("instances: [{store: {type: gcs, bucket: bbb, credentials: {file: /none}}}]", "file “/none” can't be read"),
        ("instances: [{store: {type: gcs, bucket: bbb, credentials: x, anonymous: true}}]", "has both"),
        ("instances: [{store: {type: gcs, bucket: bbb, endpoint: storage.local}}]", "endpoint “storage.local”"),
        ("instances: []", "instances: is empty"),
        (
            "instances: [{name: a, store: {type: memory}}, {name: b, store: {type: memory}, "
                + "ports: {inputs: [{name: put, subject: storage.a.put}]}}]", "instances: instances a and b both answer"
        ),
        ("instances: [{store: {type: jetstream, bucket: x y}}]", "instances[0].store.bucket: “x y” is not a name"),
        (
            "instances: [{store: {type: memory, max_bytes: 9999999999TiB}}]",
            "instances[0].store.max_bytes: 9999999999TiB"
        ),
        ("nats: {url: 'http://u:secret@x'}\ninstances: []", "nats.url: “http://x” is no URL"),
        ("nats: {url: [nats://x, 'y:0']}\ninstances: []", "nats.url[1]: “y:0” is no URL"),
        ("nats: {inbox_prefix: 'a.*'}\ninstances: []", "nats.inbox_prefix: “a.*” is no subject"),
        ("{", "not YAML"), ("", "empty"), ("[]", "is not a mapping"),
    ])
    func mistakesAreNamed(_ yaml: String, _ expected: String) {
        let error = #expect(throws: ConfigurationError.self) { try parse(yaml) }
        #expect(error?.description.contains(expected) == true, "\(error?.description ?? "")")
    }
}
