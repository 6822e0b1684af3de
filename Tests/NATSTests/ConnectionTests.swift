import Foundation
import Logging
import NATS
import Synchronization
import TestSupport
import Testing

func connect(_ server: NATSServer, _ adjust: (inout NATSOptions) -> Void = { _ in }) async throws -> NATSConnection {
    var options = NATSOptions()
    options.urls = [server.url]
    options.reconnectWait = .milliseconds(50)
    adjust(&options)
    return try await NATSConnection.connect(options)
}

@Suite struct ConnectionTests {
    @Test(arguments: ServerFlavor.allCases)
    func requestsAreAnswered(_ flavor: ServerFlavor) async throws {
        let server = try await NATSServer(flavor)
        let connection = try await connect(server)
        let subscription = try await connection.subscribe("echo", queue: "workers")
        let echo = Task {
            for try await message in subscription {
                guard let reply = message.reply else { continue }
                try await connection.publish(reply, headers: message.headers, payload: message.payload)
            }
        }
        let headers: NATSHeaders = ["A": "1", "A": "2", "b": "ü"]
        let reply = try await connection.request("echo", headers: headers, payload: Array("hi".utf8))
        #expect(reply.payload == Array("hi".utf8))
        #expect(reply.headers.all("A") == ["1", "2"])
        #expect(reply.headers.first("b") == "ü")
        #expect(reply.headers.first("B") == nil)
        try await manyRequests(connection)
        #expect(connection.pendingRequestCount == 0)
        await subscription.unsubscribe()
        try await echo.value
        await connection.close()
    }

    private func manyRequests(_ connection: NATSConnection) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for worker in 0..<64 {
                group.addTask {
                    for number in 0..<50 {
                        let payload = Array("\(worker).\(number)".utf8)
                        let reply = try await connection.request("echo", payload: payload, timeout: .seconds(30))
                        #expect(reply.payload == payload)
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    @Test(arguments: ServerFlavor.allCases)
    func failuresAreToldApart(_ flavor: ServerFlavor) async throws {
        let server = try await NATSServer(flavor)
        let connection = try await connect(server)
        await expect(.noResponders) { _ = try await connection.request("nobody") }
        let silent = try await connection.subscribe("silent")
        await expect(.timeout) { _ = try await connection.request("silent", timeout: .milliseconds(50)) }
        let request = Task { try await connection.request("silent", timeout: .seconds(60)) }
        _ = try await silent.next(timeout: .seconds(30))
        _ = try await silent.next(timeout: .seconds(30))
        request.cancel()
        await expect(.cancelled) { _ = try await request.value }
        for subject in ["", "a b", "a..b", ".a", "a\r\nPUB x 0", "a.*", ">"] {
            await expect(.invalidArgument) { try await connection.publish(subject) }
        }
        await expect(.invalidArgument) { try await connection.publish("a", headers: ["a b": "x"]) }
        await expect(.invalidArgument) { try await connection.publish("a", headers: ["a": "x\r\ny"]) }
        await expect(.maxPayload) {
            try await connection.publish("a", payload: [UInt8](repeating: 0, count: connection.maxPayload + 1))
        }
        let pending = Task { try await connection.request("silent", timeout: .seconds(60)) }
        _ = try await silent.next(timeout: .seconds(30))
        await connection.close()
        await expect(.connectionClosed) { _ = try await pending.value }
        await expect(.connectionClosed) { _ = try await connection.request("silent") }
        #expect(connection.pendingRequestCount == 0)
    }

    @Test(arguments: ServerFlavor.allCases)
    func comesBackAfterTheServerWasKilled(_ flavor: ServerFlavor) async throws {
        let server = try await NATSServer(flavor)
        let connection = try await connect(server)
        let subscription = try await connection.subscribe("news")
        var changes = connection.stateChanges().makeAsyncIterator()
        server.kill()
        #expect(await changes.next() == .reconnecting)
        try await server.start()
        #expect(await changes.next() == .connected)
        try await connection.publish("news", payload: [1])
        #expect(try await subscription.next(timeout: .seconds(30))?.payload == [1])
        await connection.close()
        #expect(connection.state == .closed)
    }

    /// A loss is a warning; that a connection breaks which is closed here is no news.
    @Test(arguments: [true, false])
    func lossesAreTold(_ drains: Bool) async throws {
        let server = try await NATSServer(.newest)
        let records = Records()
        let connection = try await connect(server) { $0.logger = Logger(label: "test") { _ in records } }
        var changes = connection.stateChanges().makeAsyncIterator()
        server.kill()
        #expect(await changes.next() == .reconnecting)
        try await server.start()
        #expect(await changes.next() == .connected)
        if drains { await connection.drain() } else { await connection.close() }
        var told: [String] { records.texts.filter { $0.contains("connection is") } }
        let end = (drains ? ["info: NATS connection is draining"] : []) + ["info: NATS connection is closed"]
        // What the library says of the end comes on a thread of its own, and after that nothing may.
        try await eventually("the end is not told: \(told)") { told.last == end.last }
        try await Task.sleep(for: .milliseconds(200))
        #expect(told == ["warning: NATS connection is reconnecting", "info: NATS connection is connected"] + end)
    }

    @Test func overflowIsCounted() async throws {
        let server = try await NATSServer(.newest)
        let connection = try await connect(server)
        let newest = try await connection.subscribe("s", capacity: 2, overflow: .dropNewest)
        let oldest = try await connection.subscribe("s", capacity: 2, overflow: .dropOldest)
        let failing = try await connection.subscribe("s", capacity: 2, overflow: .fail)
        let marker = try await connection.subscribe("end")
        for number in UInt8(0)..<5 { try await connection.publish("s", payload: [number]) }
        try await connection.publish("end")
        _ = try await marker.next(timeout: .seconds(30))
        // Each has a thread of its own.
        while newest.dropped < 3 || oldest.dropped < 3 || failing.dropped < 1 { await Task.yield() }
        #expect(try await [newest.next()?.payload, newest.next()?.payload] == [[0], [1]])
        #expect(try await [oldest.next()?.payload, oldest.next()?.payload] == [[3], [4]])
        await expect(.slowConsumer) { for try await _ in failing {} }
        #expect(try await newest.next(timeout: .milliseconds(20)) == nil)
        await connection.close()
    }

    @Test(arguments: ServerFlavor.allCases)
    func refusalsOfTheServer(_ flavor: ServerFlavor) async throws {
        let server = try await NATSServer(
            flavor,
            configuration: """
                authorization { users: [{user: u, password: p, permissions: {publish: {deny: "no.>"}, subscribe: {deny: "no.>"}}}] }
                """)
        await expect(.authorization) { _ = try await connect(server) }
        await expect(.authorization) { _ = try await connect(server) { $0.credentials = .userPassword("u", "x") } }
        let connection = try await connect(server) { $0.credentials = .userPassword("u", "p") }
        await expect(.permission) { _ = try await connection.request("no.way", timeout: .seconds(60)) }
        await expect(.permission) {
            let forbidden = try await connection.subscribe("no.way")
            for try await _ in forbidden {}
        }
        #expect(connection.state == .connected)
        await connection.close()
    }
}

func expect(
    _ code: NATSError.Code, sourceLocation: SourceLocation = #_sourceLocation, _ body: () async throws -> Void
) async {
    do {
        try await body()
        Issue.record("nothing was thrown, \(code) was expected", sourceLocation: sourceLocation)
    } catch {
        #expect((error as? NATSError)?.code == code, "\(error)", sourceLocation: sourceLocation)
    }
}

/// What was logged.
private final class Records: LogHandler {
    private let all = Mutex<[String]>([])

    var texts: [String] { all.withLock { $0 } }
    var metadata: Logger.Metadata {
        get { [:] }
        set {}
    }
    var logLevel: Logger.Level {
        get { .trace }
        set {}
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { nil }
        set {}
    }

    func log(event: LogEvent) { all.withLock { $0.append("\(event.level): \(event.message)") } }
}
