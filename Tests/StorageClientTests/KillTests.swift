import Foundation
import NATS
import StorageClient
import TestSupport
import Testing

/// A pipeline under load whose parts are killed, again and again.
@Suite struct KillTests {
    /// How long: a few seconds, or as many as `PIPELINE_KILL_SECONDS` says.
    private static let seconds =
        ProcessInfo.processInfo.environment["PIPELINE_KILL_SECONDS"].flatMap { Int($0) } ?? 8

    private static func configuration(_ urls: [String], replicas: Int) -> String {
        """
        nats: {url: [\(urls.joined(separator: ", "))]}
        log: {level: warning}
        instances:
          - name: k
            store: {type: jetstream, bucket: KILLED, replicas: \(replicas)}
            ports:
              inputs: [{name: write, type: jetstream, stream: IN, durable: k, ack_wait: 5s, backoff: [200ms, 1s]}]
              outputs:
                - {name: events, type: jetstream, subject: "notices.events"}
                - {name: stored, type: jetstream, subject: "notices.stored"}
        """
    }

    private static func createStreams(_ connection: NATSConnection, replicas: Int) async throws {
        for (name, subject) in [("IN", "in.*"), ("NOTICES", "notices.*")] {
            var stream = StreamConfiguration(name: name, subjects: [subject])
            stream.replicas = replicas
            // Longer than any absence in here.
            stream.duplicateWindow = 600 * 1_000_000_000
            _ = try await JetStream(connection, timeout: .seconds(60)).createStream(stream)
        }
    }

    @Test func aClusterWhosePartsAreKilled() async throws {
        let cluster = try await NATSCluster()
        let connection = try await cluster.connect()
        try await Self.createStreams(connection, replicas: 3)
        let component = try await ComponentProcess(Self.configuration(cluster.urls, replicas: 3))
        try await Self.run(connection, component) { round in
            switch round % 3 {
            case 0:
                await component.kill()
                try await component.start()
            case 1:
                let server = cluster.servers[round / 3 % 3]
                server.kill()
                try await Task.sleep(for: .milliseconds(500))
                try await server.start()
            default:
                guard let leader = await cluster.leader(of: round % 2 == 0 ? "IN" : "OBJ_KILLED", connection)
                else { return }
                leader.kill()
                try await Task.sleep(for: .milliseconds(500))
                try await leader.start()
            }
            // Two of three have to be there for anything to go on.
            for stream in ["IN", "NOTICES", "OBJ_KILLED"] { try await cluster.heal(stream, connection) }
        }
    }

    @Test func oneServerAndItsComponentAreKilled() async throws {
        let server = try await NATSServer(.newest)
        var options = NATSOptions()
        options.urls = [server.url]
        options.reconnectWait = .milliseconds(100)
        let connection = try await NATSConnection.connect(options)
        try await Self.createStreams(connection, replicas: 1)
        let component = try await ComponentProcess(Self.configuration([server.url], replicas: 1))
        try await Self.run(connection, component) { round in
            if round % 2 == 0 {
                server.kill()
                try await server.start()
            } else {
                await component.kill()
                try await component.start()
            }
        }
    }

    /// Kills for a while under load, and then holds what is there against what was acknowledged.
    private static func run(
        _ connection: NATSConnection, _ component: ComponentProcess, kill: (Int) async throws -> Void
    ) async throws {
        let producer = Producer(connection, perSecond: 200)
        // What is lost with who was killed shall not be waited for so long that little else is asked.
        let asker = Asker(connection, instance: "k", deadline: .seconds(2))
        var outages: [Asker.Silence] = []
        let load = Task {
            await withDiscardingTaskGroup { group in
                group.addTask { await producer.run() }
                for number in 0..<4 { group.addTask { await asker.run("\(number)") } }
            }
        }
        let end = ContinuousClock.now + .seconds(seconds)
        var round = 0
        while ContinuousClock.now < end {
            try await Task.sleep(for: .milliseconds(.random(in: 500...1500)))
            let begin = ContinuousClock.now
            try await kill(round)
            outages.append(.init(begin: begin, end: .now))
            round += 1
        }
        producer.stop()
        asker.stop()
        await load.value
        let audit = PipelineAudit(connection: connection, instance: "k")
        try await audit.settle("IN", "k", seconds: 180 + seconds)
        try await audit.check(producer, references: "notices.stored", events: "notices.events")
        #expect(producer.acknowledged.count == producer.sent, "the producer was not acknowledged in the end")
        let inexplicable = asker.silences.filter { silence in
            !outages.contains { $0.begin < silence.end && silence.begin < $0.end + .seconds(1) }
        }
        #expect(inexplicable.isEmpty, "requests were not answered though nothing was killed")
        #expect(asker.answered > 0 && Set(asker.failures.keys).isDisjoint(with: ["400", "422", "500", "501"]))
        print(
            "\(round) kills, \(producer.sent) messages, \(asker.answered) requests answered,",
            "\(asker.silences.count) at a killed server or component, errors \(asker.failures)")
        await connection.close()
    }

    @Test func aStopUnderLoadFailsNoRequest() async throws {
        let server = try await NATSServer(.newest)
        var options = NATSOptions()
        options.urls = [server.url]
        let connection = try await NATSConnection.connect(options)
        try await Self.createStreams(connection, replicas: 1)
        let yaml = Self.configuration([server.url], replicas: 1)
        let (first, second) = (try await ComponentProcess(yaml), try await ComponentProcess(yaml))
        let asker = Asker(connection, instance: "k", deadline: .seconds(30))
        let load = Task {
            await withDiscardingTaskGroup { group in
                for number in 0..<16 { group.addTask { await asker.run("\(number)", pause: .zero) } }
            }
        }
        try await eventually("the load does not come on") { asker.answered > 500 }
        try await eventually("they do not share the requests") {
            try await Self.requests(connection).filter { $0 > 0 }.count == 2
        }
        first.signal(SIGTERM)
        #expect(await first.wait() == 0)
        let before = asker.answered
        try await eventually("the load does not come on") { asker.answered > before + 500 }
        asker.stop()
        await load.value
        #expect(asker.failures.isEmpty && asker.silences.isEmpty, "\(asker.failures) \(asker.silences.count)")
        second.signal(SIGTERM)
        #expect(await second.wait() == 0)
        await connection.close()
    }

    @Test func theReadyPipelineStoresAStream() async throws {
        let server = try await NATSServer(.newest)
        var options = NATSOptions()
        options.urls = [server.url]
        let connection = try await NATSConnection.connect(options)
        let stream = JetStream(connection)
        _ = try await stream.createStream(StreamConfiguration(name: "SENSORS", subjects: ["sensors.>"]))
        let told = ["storage.sensors.events.*", "storage.sensors.stored"]
        _ = try await stream.createStream(StreamConfiguration(name: "STORAGE", subjects: told))
        let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../config/pipeline.yaml")
        let component = try await ComponentProcess(
            try String(contentsOf: file, encoding: .utf8), environment: ["NATS_URL": server.url])
        for number in 0..<10 { _ = try await stream.publish("sensors.\(number)", payload: [1]) }
        let audit = PipelineAudit(connection: connection, instance: "sensors")
        try await audit.settle("SENSORS", "storage-sensors", seconds: 60)
        component.signal(SIGTERM)
        #expect(await component.wait() == 0)
        #expect(
            try await stream.streamInfo("STORAGE", subjectsFilter: ">").state.subjects == [
                "storage.sensors.events.stored": 10, "storage.sensors.stored": 10,
            ])
        await connection.close()
    }

    /// How many requests each component has answered.
    private static func requests(_ connection: NATSConnection) async throws -> [Int] {
        let inbox = connection.newInbox()
        let subscription = try await connection.subscribe(inbox)
        try await connection.publish("$SRV.STATS.storage-k", reply: inbox)
        var counts: [Int] = []
        while let answer = try await subscription.next(timeout: .seconds(1)) {
            let stats = try JSONSerialization.jsonObject(with: Data(answer.payload)) as? [String: Any]
            let endpoints = stats?["endpoints"] as? [[String: Any]] ?? []
            counts.append(endpoints.compactMap { $0["num_requests"] as? Int }.reduce(0, +))
        }
        return counts
    }
}
