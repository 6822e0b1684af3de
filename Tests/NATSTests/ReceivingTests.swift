import NATS
import Synchronization
import TestSupport
import Testing

/// Each request gets its own reply, whatever else comes.
@Suite struct ReceivingTests {
    private final class Order: Sendable {
        private let numbers = Mutex<[Int]>([])
        var all: [Int] { numbers.withLock { $0 } }
        func add(_ number: Int) { numbers.withLock { $0.append(number) } }
    }

    @Test(arguments: ServerFlavor.allCases, [1, 64, 1000])
    func eachRequestHasItsOwnReply(_ flavor: ServerFlavor, _ inFlight: Int) async throws {
        try await withConnections(flavor) { asking, answering in
            let service = try await echo(answering, "echo")
            try await withThrowingTaskGroup(of: Void.self) { group in
                for task in 0..<inFlight {
                    group.addTask {
                        for round in 0..<max(3, 300 / inFlight) {
                            let question = Array("\(task) \(round)".utf8)
                            let reply = try await asking.request("echo", payload: question)
                            #expect(reply.payload == question)
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(asking.pendingRequestCount == 0)
            await service.unsubscribe()
        }
    }

    /// That nobody listens is told of the very request, and of no later one.
    @Test(arguments: ServerFlavor.allCases)
    func whoAsksNobodyIsTold(_ flavor: ServerFlavor) async throws {
        try await withConnections(flavor) { asking, answering in
            let service = try await echo(answering, "echo")
            try await withThrowingTaskGroup(of: Void.self) { group in
                for task in 0..<200 {
                    group.addTask {
                        let subject = task.isMultiple(of: 2) ? "echo" : "nobody.\(task)"
                        do {
                            let reply = try await asking.request(subject, payload: [1])
                            #expect(subject == "echo" && reply.payload == [1])
                        } catch let error as NATSError {
                            #expect(subject != "echo" && error.code == .noResponders)
                            #expect(error.message.contains(subject))
                        }
                    }
                }
                try await group.waitForAll()
            }
            await service.unsubscribe()
        }
    }

    /// Two answer each request: the second answer is nobody's, not the next request's.
    @Test(arguments: ServerFlavor.allCases)
    func aSecondReplyIsNotTakenForAnothers(_ flavor: ServerFlavor) async throws {
        try await withConnections(flavor) { asking, answering in
            let services = [try await echo(answering, "echo"), try await echo(answering, "echo")]
            for round in 0..<500 {
                let question = Array("\(round)".utf8)
                #expect(try await asking.request("echo", payload: question).payload == question)
            }
            for service in services { await service.unsubscribe() }
        }
    }

    /// A reply that comes too late is nobody's.
    @Test(arguments: ServerFlavor.allCases)
    func aLateReplyIsNotTakenForAnothers(_ flavor: ServerFlavor) async throws {
        try await withConnections(flavor) { asking, answering in
            let subscription = try await answering.subscribe("slow")
            for _ in 0..<20 {
                await #expect(throws: NATSError.self) {
                    try await asking.request("slow", payload: [0], timeout: .milliseconds(20))
                }
            }
            let service = try await echo(answering, "echo")
            let late = Task {
                while let question = try await subscription.next() {
                    try await answering.publish(question.reply ?? "", payload: [9])
                }
            }
            for round in 0..<100 {
                let question = Array("\(round)".utf8)
                #expect(try await asking.request("echo", payload: question).payload == question)
            }
            await subscription.unsubscribe()
            try await late.value
            await service.unsubscribe()
        }
    }

    /// Headers of a message without data, a value of nothing among them.
    @Test(arguments: ServerFlavor.allCases, [[], [1]] as [[UInt8]])
    func headersComeAsTheyWereSent(_ flavor: ServerFlavor, _ payload: [UInt8]) async throws {
        let server = try await NATSServer(flavor)
        let connection = try await connect(server)
        let subscription = try await connection.subscribe("s")
        let headers: NATSHeaders = ["A": "1:2", "Empty": "", "B": "b c", "Last": ""]
        try await connection.publish("s", headers: headers, payload: payload, reply: "r.e.p")
        let message = try #require(try await subscription.next(timeout: .seconds(30)))
        #expect(message.reply == "r.e.p" && message.payload == payload && message.status == nil)
        // Libraries send them in any order.
        let fields = message.headers.fields.map { "\($0.name): \($0.value)" }
        #expect(fields.sorted() == ["A: 1:2", "B: b c", "Empty: ", "Last: "])
        await connection.close()
    }

    /// The library reads the headers of messages without data before it gives them, and not as they are meant.
    @Test(
        arguments: ServerFlavor.allCases,
        [
            #"A:\r\nB: x\r\n"#, #"A: x \r\nB:\r\n"#, #"A: x\r\nnone\r\nB: y:z\r\n"#, #"none\r\n"#,
            #"A: x\r\n more\r\nB: y\r\n"#,
            #": x\r\nA: y\r\n"#, #"A: \xff\r\nB: x\r\n"#,
        ])
    func headersAreReadAlikeWithAndWithoutData(_ flavor: ServerFlavor, _ headers: String) async throws {
        let server = try await NATSServer(flavor)
        let connection = try await connect(server)
        let subscription = try await connection.subscribe("s")
        var read: [[String]] = []
        for data in ["", "x"] {
            try await publishRaw(#"NATS/1.0\r\n"# + headers + #"\r\n"#, data, to: server)
            let message = try #require(try await subscription.next(timeout: .seconds(30)))
            #expect(message.payload == Array(data.utf8))
            read.append(message.headers.fields.map { "\($0.name): \($0.value)" })
        }
        #expect(read[0] == read[1])
        await connection.close()
    }

    /// A message that looks like the server's own word is a message like any other.
    @Test(arguments: ServerFlavor.allCases)
    func whatLooksLikeAStatusHoldsNobodyUp(_ flavor: ServerFlavor) async throws {
        let server = try await NATSServer(flavor)
        let connection = try await connect(server)
        let subscription = try await connection.subscribe("s")
        try await publishRaw(#"NATS/1.0 503\r\n\r\n"#, "", to: server)
        try await connection.publish("s", payload: [1])
        #expect(try await subscription.next(timeout: .seconds(30))?.status == 503)
        #expect(try await subscription.next(timeout: .seconds(30))?.payload == [1])
        await connection.close()
    }

    /// Publishes a message to `s` as no library would.
    private func publishRaw(_ headers: String, _ data: String, to server: NATSServer) async throws {
        let script = """
            import socket, sys
            s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
            header, data = sys.argv[2].encode().decode("unicode_escape").encode("latin-1"), sys.argv[3].encode()
            s.sendall(b'CONNECT {"headers":true,"verbose":false}\\r\\n')
            s.sendall(b"HPUB s %d %d\\r\\n%s%s\\r\\nPING\\r\\n" % (len(header), len(header + data), header, data))
            while b"PONG" not in s.recv(4096): pass
            """
        _ = try await python(script, [String(server.port), headers, data])
    }

    /// A drain gives what the server has sent, in order, to its end; what others listen to goes on.
    @Test(arguments: ServerFlavor.allCases)
    func aDrainGivesWhatWasSent(_ flavor: ServerFlavor) async throws {
        let server = try await NATSServer(flavor)
        let (sender, receiver) = (try await connect(server), try await connect(server))
        let order = Order()
        let drained = try await receiver.subscribe("d") { message in order.add(Int(message.payload[0])) }
        let other = try await receiver.subscribe("o")
        for number in 0..<200 { try await sender.publish("d", payload: [UInt8(number)]) }
        try await sender.flush()
        await drained.drain()
        #expect(try await drained.next() == nil)
        #expect(order.all == Array(0..<200))
        try await sender.publish("o", payload: [1])
        #expect(try await other.next(timeout: .seconds(30))?.payload == [1])
        await sender.close()
        await receiver.close()
    }

    @Test(arguments: ServerFlavor.allCases)
    func aConnectionsDrainGivesWhatWasSent(_ flavor: ServerFlavor) async throws {
        let server = try await NATSServer(flavor)
        let (sender, receiver) = (try await connect(server), try await connect(server))
        let subscription = try await receiver.subscribe("d", capacity: 5000)
        for number in 0..<3000 { try await sender.publish("d", payload: Array("\(number)".utf8)) }
        try await sender.flush()
        await receiver.drain()
        #expect(receiver.state == .closed)
        for number in 0..<3000 {
            let message = try await subscription.next()
            #expect(message.map { String(decoding: $0.payload, as: UTF8.self) } == "\(number)")
        }
        #expect(try await subscription.next() == nil)
        await sender.close()
    }

    /// Two connections to a server of their own.
    private func withConnections(
        _ flavor: ServerFlavor, _ body: (NATSConnection, NATSConnection) async throws -> Void
    ) async throws {
        let server = try await NATSServer(flavor)
        let (first, second) = (try await connect(server), try await connect(server))
        try await body(first, second)
        await first.close()
        await second.close()
    }

    private func echo(_ connection: NATSConnection, _ subject: String) async throws -> NATSSubscription {
        try await connection.subscribe(subject) { question in
            try? connection.publishBlocking(question.reply ?? "", payload: question.payload)
        }
    }
}
