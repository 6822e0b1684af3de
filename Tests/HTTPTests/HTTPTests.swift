import Foundation
import HTTP
import Synchronization
import TestSupport
import Testing
import Waiting

/// The server beside this file, and a client.
struct Fixture {
    let server: ServerProcess
    let client: HTTPClient

    init(_ adjust: (inout HTTPOptions) -> Void = { _ in }) async throws {
        server = try await ServerProcess(script: "server.py")
        var options = HTTPOptions()
        adjust(&options)
        client = try HTTPClient(options)
    }

    func url(_ path: String) -> String { "http://127.0.0.1:\(server.port)/\(path)" }

    func send(_ method: HTTPRequest.Method, _ path: String, _ body: HTTPBody = .none) async throws -> HTTPResponse {
        try await client.send(HTTPRequest(method, url(path), body: body))
    }

    func text(_ method: HTTPRequest.Method, _ path: String, _ body: HTTPBody = .none) async throws -> String {
        String(decoding: try await send(method, path, body).body.collect(upTo: 1 << 20), as: UTF8.self)
    }
}

/// The bytes that the server sends.
func pattern(_ range: Range<Int>) -> [UInt8] {
    range.map { UInt8(($0 % 65521 * 7 + 13) % 251) }
}

/// Resident memory of this process.
func residentBytes() throws -> Int {
    let text = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
    return (Int(text.split(separator: " ")[1]) ?? 0) * 4096
}

@Suite struct HTTPTests {
    @Test func bodiesOfAnySizeComeAndGo() async throws {
        let fixture = try await Fixture()
        for size in [0, 1, 16_383, 16_384, 65_535, 65_536, 1_000_003] {
            let response = try await fixture.send(.get, "bytes/\(size)")
            #expect(response.status == 200 && response.headers["content-length"] == String(size))
            #expect(try await response.body.collect(upTo: size) == pattern(0..<size))
            #expect(try await fixture.send(.get, "chunked/\(size)").body.collect(upTo: size) == pattern(0..<size))
            let sent = bytes(size)
            var received: Set<String> = []
            for body in [
                HTTPBody.bytes(sent), .stream(size: size, pull: chunks(sent)), .stream(size: nil, pull: chunks(sent)),
            ] {
                received.insert(try await fixture.text(.put, "swallow", body))
            }
            #expect(received.count == 1 && received.first?.hasPrefix("\(size) ") == true, "\(received)")
        }
        #expect(try await fixture.send(.head, "bytes/5").body.collect(upTo: 1) == [])
    }

    private func chunks(_ content: [UInt8], of size: Int = 10_000) -> HTTPBody.Pull {
        let offset = Mutex(0)
        return {
            let range = offset.withLock { start in
                let end = min(start + size, content.count)
                defer { start = end }
                return start..<end
            }
            return range.isEmpty ? nil : Array(content[range])
        }
    }

    @Test(arguments: [HTTPRequest.Method.put, .post], [0, 5, 70_000])
    func requestsGoOutAsTheyStand(_ method: HTTPRequest.Method, _ size: Int) async throws {
        let fixture = try await Fixture()
        var request = HTTPRequest(method, fixture.url("echo/a/../b//%7e?x=%2B&y"), body: .bytes(bytes(size)))
        request.headers = ["X-One": "1", "X-Empty": ""]
        let text = String(decoding: try await fixture.client.send(request).body.collect(upTo: 10_000), as: UTF8.self)
        let lines = text.split(separator: "\n").map(String.init)
        #expect(lines[0] == "\(method.rawValue) /echo/a/../b//%7e?x=%2B&y")
        #expect(lines.contains("X-One: 1") && lines.contains("X-Empty: ") && lines.contains("Content-Length: \(size)"))
        for name in ["Expect", "Content-Type", "Accept", "Transfer-Encoding"] {
            #expect(!lines.contains { $0.hasPrefix(name + ":") })
        }
    }

    @Test func answersAreTakenAsTheyCome() async throws {
        let fixture = try await Fixture()
        let redirect = try await fixture.send(.get, "redirect")
        #expect(redirect.status == 302 && redirect.headers["Location"] == "/echo")
        let odd = try await fixture.send(.get, "odd")
        #expect(odd.status == 200 && odd.headers.fields.map(\.value) == ["1", "2", "", "2"])
    }

    @Test func whatIsNoRequestIsRefused() async throws {
        let fixture = try await Fixture()
        let wrong: [(String, HTTPHeaders)] = [
            (fixture.url("a b"), [:]), ("ftp://x/", [:]), (fixture.url("a\r\nX: y"), [:]),
            (fixture.url("a"), ["X": "a\r\nY: b"]), (fixture.url("a"), ["X Y": "a"]), (fixture.url("ü"), [:]),
        ]
        for (url, headers) in wrong {
            let request = HTTPRequest(.get, url, headers: headers)
            let error = await #expect(throws: HTTPError.self) { try await fixture.client.send(request) }
            #expect(error?.reason == .invalidRequest && error?.retry == .never)
        }
    }

    @Test func connectionsAreReused() async throws {
        let fixture = try await Fixture()
        let first = try await fixture.text(.get, "connection")
        for _ in 0..<20 { #expect(try await fixture.text(.get, "connection") == first) }
        for size in [3, 100_000] {
            _ = try await fixture.text(.get, "once")
            try await Task.sleep(for: .milliseconds(100))
            // On the connection that is gone, then on another.
            #expect(try await fixture.text(.put, "swallow", .bytes(bytes(size))).hasPrefix("\(size) "))
        }
        await fixture.client.shutdown()
        let error = await #expect(throws: HTTPError.self) { try await fixture.send(.get, "bytes/1") }
        #expect(error?.reason == .closed)
    }

    @Test func manyAtOnce() async throws {
        let fixture = try await Fixture { $0.connectionsPerHost = 16 }
        try await withThrowingTaskGroup(of: Int.self) { group in
            for size in 0..<300 {
                group.addTask { try await fixture.send(.get, "bytes/\(size * 100)").body.collect(upTo: 1 << 20).count }
            }
            let count = try await group.reduce(0, +)
            #expect(count == 300 * 299 / 2 * 100)
        }
    }

    /// Answers wake tasks on the driver's own thread, which send the next requests, large ones and broken ones among them.
    @Test func tasksGoOnWhereTheAnswerCameIn() async throws {
        let fixture = try await Fixture { $0.connectionsPerHost = 16 }
        try await withTaskExecutorPreference(DeliveryExecutor.shared) {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for task in 0..<16 {
                    group.addTask {
                        for round in 0..<10 {
                            let size = (task * 10 + round) * 500
                            let sent = bytes(size)
                            let body =
                                round.isMultiple(of: 2) ? HTTPBody.bytes(sent) : .stream(size: nil, pull: chunks(sent))
                            #expect(try await fixture.text(.put, "swallow", body).hasPrefix("\(size) "))
                            let response = try await fixture.send(.get, "bytes/\(size)")
                            #expect(try await response.body.collect(upTo: size) == pattern(0..<size))
                        }
                        await #expect(throws: HTTPError.self) { try await fixture.send(.get, "drop-at-once") }
                    }
                }
                try await group.waitForAll()
            }
            let late = Task { try await fixture.send(.get, "silent") }
            try await Task.sleep(for: .milliseconds(50))
            late.cancel()
            await #expect(throws: HTTPError.self) { try await late.value }
            await fixture.client.shutdown()
        }
    }

    @Test(arguments: [
        ("drop/100000/50000", HTTPError.Reason.broken, HTTPError.Retry.ifIdempotent),
        ("drop-at-once", .broken, .ifIdempotent),
        ("stall/10", .timeout, .ifIdempotent), ("silent", .timeout, .ifIdempotent),
        ("nonsense", .broken, .ifIdempotent),
        ("headers/1000", .broken, .ifIdempotent),
    ])
    func badServers(_ path: String, _ reason: HTTPError.Reason, _ retry: HTTPError.Retry) async throws {
        let fixture = try await Fixture { $0.stallTimeout = .seconds(2) }
        let error = await #expect(throws: HTTPError.self) {
            try await fixture.send(.get, path).body.collect(upTo: 1 << 20)
        }
        #expect(error?.reason == reason && error?.retry == retry, "\(error?.message ?? "")")
    }

    /// Whoever holds the only connection waits for the request that waits for it: it ends by the client's limits, or by
    /// its own, where those are too far away.
    @Test(.timeLimit(.minutes(5)), arguments: [(1, nil), (600, Duration.milliseconds(300))])
    func waitingForAConnectionEnds(_ seconds: Int, _ timeout: Duration?) async throws {
        let fixture = try await Fixture {
            $0.connectionsPerHost = 1
            $0.connectTimeout = .seconds(seconds)
            $0.stallTimeout = .seconds(seconds)
            $0.bufferSize = 1 << 16
        }
        let held = try await fixture.send(.get, "bytes/50000000")
        var bounded = HTTPRequest(.get, fixture.url("bytes/1"))
        bounded.timeout = timeout
        let error = await #expect(throws: HTTPError.self) { try await fixture.client.send(bounded) }
        #expect(error?.reason == .timeout && error?.retry == .safe, "\(error?.message ?? "")")
        #expect(try await held.body.collect(upTo: 50_000_000).count == 50_000_000)
        #expect(try await fixture.text(.get, "bytes/1").utf8.count == 1)
    }

    /// Longer than one may wait in vain, but others begin meanwhile.
    @Test(.timeLimit(.minutes(5)))
    func aQueueThatMovesIsWaitedFor() async throws {
        let fixture = try await Fixture {
            $0.connectionsPerHost = 1
            $0.connectTimeout = .milliseconds(500)
            $0.stallTimeout = .seconds(4)
        }
        try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<8 { group.addTask { try await fixture.text(.put, "swallow/1", .bytes([1])) } }
            for try await text in group { #expect(text.hasPrefix("1 ")) }
        }
    }

    @Test func whatCameBeforeABreakIsGiven() async throws {
        let fixture = try await Fixture()
        let body = try await fixture.send(.get, "drop/100000/50000").body
        var found: [UInt8] = []
        await #expect(throws: HTTPError.self) { while let chunk = try await body.next() { found += chunk } }
        #expect(found == pattern(0..<50_000))
    }

    @Test func nobodyThere() async throws {
        let client = try HTTPClient()
        let port = try NATSServer.freePort()
        let error = await #expect(throws: HTTPError.self) {
            try await client.send(HTTPRequest(.get, "http://127.0.0.1:\(port)/x?secret=1"))
        }
        #expect(error?.reason == .unreachable && error?.retry == .safe)
        #expect(error?.message.contains("secret") == false && error?.message.contains("/x") == true)
    }

    @Test(.timeLimit(.minutes(5)))
    func aRequestsOwnLimit() async throws {
        // No other limit is near.
        let fixture = try await Fixture { $0.stallTimeout = .seconds(600) }
        let request = HTTPRequest(.get, fixture.url("silent"), timeout: .milliseconds(200))
        let error = await #expect(throws: HTTPError.self) { try await fixture.client.send(request) }
        #expect(error?.reason == .timeout, "\(error?.message ?? "")")
    }

    @Test func cancellationEndsTheTransfer() async throws {
        let fixture = try await Fixture()
        let waiting = Task { try await fixture.send(.get, "silent").status }
        // More than is sent until all of them have begun.
        let body = try await fixture.send(.get, "bytes/1000000000000").body
        _ = try await body.next()
        let reading = Task { while try await body.next() != nil {} }
        let pulled = Mutex(0)
        let endless = HTTPBody.stream(size: nil) {
            pulled.withLock { $0 += 1 }
            return [UInt8](repeating: 0, count: 1000)
        }
        let sending = Task { try await fixture.send(.put, "swallow", endless).status }
        try await eventually("nothing is sent") { pulled.withLock { $0 } > 100 }
        waiting.cancel()
        reading.cancel()
        sending.cancel()
        for result in [await waiting.result.map { _ in }, await reading.result, await sending.result.map { _ in }] {
            #expect(throws: HTTPError.self) { try result.get() }
        }
        try await eventually("the server still sends or receives") {
            try await fixture.text(.get, "counts").hasPrefix("2 ")
        }
    }

    @Test func anAnswerEndsTheUpload() async throws {
        let fixture = try await Fixture()
        let endless = HTTPBody.stream(size: 1 << 40) { [UInt8](repeating: 0, count: 100_000) }
        var request = HTTPRequest(.put, fixture.url("refuse"), body: endless)
        request.expectsContinue = true
        let response = try await fixture.client.send(request)
        #expect(response.status == 412)
        #expect(try await response.body.collect(upTo: 100) == Array("refused".utf8))
    }

    @Test func aBodyThatThrowsOrLies() async throws {
        let fixture = try await Fixture()
        let bodies: [HTTPBody] = [
            .stream(size: 10) { throw TestFailure("the body's own") }, .stream(size: 10) { nil },
            .stream(size: 10) { [UInt8](repeating: 0, count: 11) },
        ]
        for body in bodies {
            let error = await #expect(throws: HTTPError.self) { try await fixture.send(.put, "swallow", body) }
            #expect(error?.reason == .body)
        }
        let dropped = await #expect(throws: HTTPError.self) {
            try await fixture.send(.put, "drop-in-body/1000", .bytes([UInt8](repeating: 0, count: 50_000_000)))
        }
        #expect(dropped?.reason == .broken && dropped?.retry == .ifIdempotent)
    }

    @Test func aSlowReaderHoldsTheServerBack() async throws {
        let fixture = try await Fixture { $0.stallTimeout = .seconds(2) }
        let before = try residentBytes()
        let body = try await fixture.send(.get, "bytes/300000000").body
        // Longer than the stall timeout: a reader that rests is no stall.
        try await Task.sleep(for: .seconds(3))
        #expect(try residentBytes() - before < 20 << 20)
        var count = 0
        var most = 0
        while let chunk = try await body.next() {
            count += chunk.count
            most = max(most, try residentBytes() - before)
        }
        #expect(count == 300_000_000)
        #expect(most < 30 << 20)
    }

    @Test func aSlowServerHoldsTheBodyBack() async throws {
        let fixture = try await Fixture()
        let before = try residentBytes()
        let pulled = Mutex(0)
        let most = Mutex(0)
        let chunk = bytes(1 << 20)
        let body = HTTPBody.stream(size: 300 << 20) {
            guard
                pulled.withLock({ count in
                    count += 1; return count <= 300
                })
            else { return nil }
            let used = try residentBytes() - before
            most.withLock { $0 = max($0, used) }
            return chunk
        }
        #expect(try await fixture.text(.put, "swallow", body).hasPrefix("\(300 << 20) "))
        #expect(most.withLock { $0 } < 30 << 20)
    }

    @Test func trustIsAsConfigured() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let (certificate, key) = (folder.appending(path: "c.pem").path, folder.appending(path: "k.pem").path)
        let openssl = Process()
        openssl.executableURL = URL(filePath: "/usr/bin/openssl")
        openssl.arguments = [
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
            "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate,
        ]
        openssl.standardError = FileHandle.nullDevice
        try openssl.run()
        openssl.waitUntilExit()
        let server = try await ServerProcess(script: "server.py") { port, _ in [String(port), certificate, key] }
        let request = HTTPRequest(.get, "https://127.0.0.1:\(server.port)/bytes/3")
        let stranger = await #expect(throws: HTTPError.self) { try await HTTPClient().send(request) }
        #expect(stranger?.reason == .tls && stranger?.retry == .never)
        var options = HTTPOptions()
        options.certificateAuthorities = certificate
        #expect(try await HTTPClient(options).send(request).body.collect(upTo: 3) == pattern(0..<3))
    }

    @Test func aProxyIsUsedWhereItMayBe() async throws {
        let proxied = try await Fixture()
        let proxy = "http://127.0.0.1:\(proxied.server.port)"
        let fixture = try await Fixture { $0.proxy = proxy }
        var request = HTTPRequest(.get, "http://no-such-host.invalid/echo")
        let response = try await fixture.client.send(request)
        #expect(response.status == 200)
        request = HTTPRequest(.get, fixture.url("echo"))
        request.usesProxy = false
        let direct = String(decoding: try await fixture.client.send(request).body.collect(upTo: 10_000), as: UTF8.self)
        #expect(direct.hasPrefix("GET /echo\n"))
    }
}
