import Foundation
import NATS
import TestSupport
import Testing

/// Servers that go away or forbid, at the worst moments.
@Suite struct AwayTests {
    @Test(arguments: ServerFlavor.allCases)
    func aScanGoesOnAfterTheServerWasKilled(_ flavor: ServerFlavor) async throws {
        let server = try await NATSServer(flavor)
        let connection = try await connect(server)
        let stream = JetStream(connection)
        _ = try await stream.createStream(StreamConfiguration(name: "S", subjects: ["s.>"]))
        let window = stream.publishWindow(limit: 64)
        let count = 20_000
        for number in 0..<count {
            try await window.publish("s.\(number)", payload: [UInt8](repeating: 1, count: 1024))
        }
        _ = try await window.finish()
        var read: [UInt64] = []
        try await stream.scan("S", filter: "s.>", startSequence: 1) { message in
            read.append(message.sequence)
            guard read.count == 100 else { return }
            server.kill()
            // No more than these may have come before.
            Task { try await server.start() }
        }
        #expect(read == Array(1...UInt64(count)))
        await connection.close()
    }

    @Test(.timeLimit(.minutes(5)))
    func drainEndsWhileTheServerIsAway() async throws {
        let server = try await NATSServer(.newest)
        let connection = try await connect(server)
        var changes = connection.stateChanges().makeAsyncIterator()
        server.kill()
        #expect(await changes.next() == .reconnecting)
        await connection.drain(timeout: .seconds(1))
        #expect(connection.state == .closed)
    }

    /// The library frees a subscription some seconds after its connection closed; letting go of ours comes later.
    @Test func aSubscriptionOutlivesItsConnection() async throws {
        let server = try await NATSServer(.newest)
        let connection = try await connect(server)
        var subscription: NATSSubscription? = try await connection.subscribe("s")
        await connection.close()
        try await Task.sleep(for: .seconds(6))
        #expect(try await subscription?.next(timeout: .milliseconds(1)) == nil)
        await subscription?.unsubscribe()
        subscription = nil
    }

    @Test(arguments: ServerFlavor.allCases)
    func everyDeniedRequestFails(_ flavor: ServerFlavor) async throws {
        let server = try await NATSServer(
            flavor,
            configuration: """
                authorization { users: [{user: u, password: p, permissions: {publish: {deny: "no.>"}}}] }
                """)
        let connection = try await connect(server) { $0.credentials = .userPassword("u", "p") }
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<8 {
                group.addTask {
                    await expect(.permission) {
                        _ = try await connection.request("no.\(number)", timeout: .seconds(60))
                    }
                }
            }
        }
        #expect(connection.pendingRequestCount == 0)
        await connection.close()
    }

    @Test func subjectsTooLongForTheServerAreRefused() async throws {
        let server = try await NATSServer(.newest)
        let connection = try await connect(server)
        await expect(.invalidArgument) {
            try await connection.publish(String(repeating: "s", count: 1901))
        }
        try await connection.publish(String(repeating: "s", count: 1900))
        try await connection.flush()
        await connection.close()
    }

    @Test func messagesHoldNoPassword() async throws {
        let server = try await NATSServer(
            .newest, configuration: "authorization { user: u, password: hidden }")
        let url = "nats://u:hidden@127.0.0.1:\(server.port)"
        let connection = try await connect(server) { $0.urls = [url] }
        #expect(connection.connectedURL == "nats://127.0.0.1:\(server.port)")
        await connection.close()
        server.kill()
        do {
            _ = try await connect(server) { $0.urls = [url] }
            Issue.record("nobody should answer")
        } catch {
            #expect("\(error)".contains("127.0.0.1") && !"\(error)".contains("hidden"), "\(error)")
        }
    }

    @Test func theNextServerTakesOver() async throws {
        let first = try await NATSServer(.newest)
        let second = try await NATSServer(.debian)
        let connection = try await connect(first) { $0.urls = ["nats://127.0.0.1:1", first.url, second.url] }
        let subscription = try await connection.subscribe("s")
        var changes = connection.stateChanges().makeAsyncIterator()
        let (stays, goes) = connection.connectedURL == first.url ? (second, first) : (first, second)
        goes.kill()
        #expect(await changes.next() == .reconnecting)
        #expect(await changes.next() == .connected)
        #expect(connection.connectedURL == stays.url)
        try await connection.publish("s", payload: [1])
        #expect(try await subscription.next(timeout: .seconds(30))?.payload == [1])
        await connection.close()
    }
}
