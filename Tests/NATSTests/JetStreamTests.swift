import Foundation
import NATS
import TestSupport
import Testing

@Suite struct JetStreamTests {
    private func stream(_ connection: NATSConnection) async throws -> JetStream {
        let stream = JetStream(connection)
        var configuration = StreamConfiguration(name: "S", subjects: ["s.>"])
        configuration.allowDirect = true
        configuration.allowRollup = true
        _ = try await stream.createStream(configuration)
        return stream
    }

    @Test(arguments: ServerFlavor.allCases)
    func storesAndFinds(_ flavor: ServerFlavor) async throws {
        let server = try await NATSServer(flavor)
        let connection = try await connect(server)
        let stream = try await stream(connection)
        #expect(try await stream.publish("s.a", payload: [1]).sequence == 1)
        #expect(try await stream.publish("s.b", headers: ["H": "x"], payload: [2]).sequence == 2)
        #expect(try await stream.publish("s.a", payload: []).sequence == 3)
        for direct in [true, false] {
            let last = try #require(try await stream.message("S", .lastBySubject("s.*"), direct: direct))
            #expect(last.sequence == 3 && last.payload.isEmpty && last.subject == "s.a")
            let second = try #require(try await stream.message("S", .sequence(2), direct: direct))
            #expect(second.payload == [2] && second.headers.first("H") == "x")
            #expect(abs(second.time.timeIntervalSinceNow) < 60)
            let next = try await stream.message("S", .nextBySubject("s.a", startSequence: 2), direct: direct)
            #expect(next?.sequence == 3)
            #expect(try await stream.message("S", .lastBySubject("s.none"), direct: direct) == nil)
        }
        let info = try await stream.streamInfo("S", subjectsFilter: "s.>")
        #expect(info.state.subjects == ["s.a": 2, "s.b": 1])
        await expect(.api(code: 400, errorCode: 10071)) {
            _ = try await stream.publish("s.a", headers: ["Nats-Expected-Last-Subject-Sequence": "1"])
        }
        #expect(try await stream.purge("S", filter: "s.a") == 2)
        await expect(.noResponders) { _ = try await stream.publish("nowhere") }
        await expect(.api(code: 404, errorCode: 10059)) { _ = try await stream.streamInfo("none") }
        try await stream.deleteStream("S")
        await connection.close()
    }

    @Test(arguments: ServerFlavor.allCases)
    func windowKeepsOrder(_ flavor: ServerFlavor) async throws {
        let server = try await NATSServer(flavor)
        let connection = try await connect(server)
        let stream = try await stream(connection)
        let window = stream.publishWindow(limit: 64)
        for number in 0..<2000 {
            // Sizes on both sides of every threshold.
            let payload = [UInt8](repeating: UInt8(number % 251), count: number % 3 == 0 ? 20_000 : 1)
            try await window.publish("s.w", payload: payload)
        }
        let summary = try await window.finish()
        #expect(summary.count == 2000)
        #expect(summary.sequences == 1...2000)
        for number in [0, 1, 999, 1998, 1999] {
            let message = try await stream.message("S", .sequence(UInt64(number + 1)), direct: true)
            #expect(message?.payload.first == UInt8(number % 251))
        }
        let failing = stream.publishWindow(limit: 4, repeatingIn: "S")
        await expect(.noResponders) {
            for _ in 0..<10 { try await failing.publish("nowhere", payload: []) }
            _ = try await failing.finish()
        }
        await failing.abort()
        await connection.close()
    }

    /// A server that takes four messages at once refuses some of those that come together.
    @Test func whatIsTooMuchAtOnceIsSentAgain() async throws {
        let server = try await NATSServer(.newest, options: "\n max_buffered_msgs: 4")
        let connection = try await connect(server)
        let stream = try await stream(connection)
        let hasty = stream.publishWindow(limit: 256)
        // While it stands still, they gather.
        try await server.pause()
        for _ in 0..<200 { try await hasty.publish("s.hasty", payload: [0]) }
        server.signal(SIGCONT)
        await expect(.api(code: 429, errorCode: 10167)) { _ = try await hasty.finish() }
        await hasty.abort()
        let window = stream.publishWindow(limit: 256, repeatingIn: "S")
        for number in 0..<1000 {
            try await window.publish("s.w", payload: [UInt8(number / 256), UInt8(number % 256)])
        }
        #expect(try await window.finish().count == 1000)
        var next = 0
        try await stream.scan("S", filter: "s.w", startSequence: 1) { message in
            #expect(message.payload == [UInt8(next / 256), UInt8(next % 256)])
            next += 1
        }
        #expect(next == 1000)
        await connection.close()
    }
}
