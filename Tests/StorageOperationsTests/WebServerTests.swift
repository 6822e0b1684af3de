import Foundation
import NATS
import TestSupport
import Testing

/// What a careless or hostile peer may do to the HTTP port.
@Suite struct WebServerTests {
    @Test func whatIsNoRequestIsRefused() async throws {
        let program = try await MonitoredComponent()
        func status(_ request: String) async throws -> Int {
            try WebAnswer(try await WebClient(program.port).exchange(request)).status
        }
        #expect(try await status("GET /healthz HTTP/1.0\r\n\r\n") == 200)
        #expect(try await status("GET /healthz HTTP/1.1\nHost: localhost\n\n") == 200)
        #expect(try await status("POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc") == 405)
        #expect(try await status("GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n") == 404)
        #expect(try await status("GET /healthz HTTP/1.1\r\n\r\n") == 400)
        #expect(try await status("GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n") == 400)
        #expect(try await status("GET /healthz HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n") == 400)
        #expect(try await status("GET  /healthz HTTP/1.1\r\nHost: a\r\n\r\n") == 400)
        #expect(try await status("GET http://a/healthz HTTP/1.1\r\nHost: a\r\n\r\n") == 400)
        #expect(try await status("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n") == 400)
        #expect(try await status("GET /%ff HTTP/1.1\r\nHost: a\r\n\r\n") == 400)
        #expect(try await status("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") == 505)
        #expect(try await status("GET / HTTP/1.1\r\nHost: a\r\nX: " + String(repeating: "x", count: 20_000)) == 431)
        #expect(try await status("\r\n\r\n") == 400)
        let head = try await WebClient(program.port).exchange("HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(try WebAnswer(head).body.isEmpty && WebAnswer(head).headers["content-length"] == "3")
        #expect(try await program.get("/healthz").headers["connection"] == "close")
        var random = SystemRandomNumberGenerator()
        for _ in 0..<200 {
            let client = try WebClient(program.port)
            client.send((0..<Int.random(in: 1...3000)).map { _ in UInt8.random(in: 0...255, using: &random) })
            client.send(Array("\r\n\r\n".utf8))
        }
        #expect(try await program.get("/healthz").status == 200)
    }

    @Test func slowPeersLoseTheirConnection() async throws {
        let program = try await MonitoredComponent(http: ", max_connections: 8")
        let slow = try (0..<8).map { _ in try WebClient(program.port) }
        for client in slow { client.send(Array("GET /hea".utf8)) }
        func ready() async -> Int? {
            let answer = try? await WebClient(program.port).exchange("GET /readyz HTTP/1.0\r\n\r\n")
            return try? answer.map { try WebAnswer($0).status }
        }
        try await eventually("the port is not full") { await ready() == 503 }
        // Nor do more of them keep anybody from asking whether the process lives.
        let silent = try (0..<24).map { _ in try WebClient(program.port) }
        #expect(try await program.get("/healthz").status == 200)
        // Each byte is a sign of life, the whole is late all the same.
        try await eventually("slow peers keep their connections") {
            for client in slow { client.send([UInt8(ascii: "x")]) }
            try await Task.sleep(for: .milliseconds(200))
            return await ready() == 200
        }
        withExtendedLifetime(silent) {}
        #expect(try WebAnswer(await slow[0].receive()).status == 408)
        #expect(try await program.metrics().sum("nats_storage_http_refused_connections_total") >= 1)
    }

    @Test func whoAsksNothingHoldsUpNoStop() async throws {
        let program = try await MonitoredComponent()
        let silent = try WebClient(program.port)
        silent.send(Array("GET /hea".utf8))
        #expect(try await program.get("/healthz").status == 200)
        #expect(try await program.stop() == 0)
        // Waited for to the end of its time, it would be told that.
        #expect(await silent.receive().isEmpty)
    }

    @Test func whoDoesNotReadItsEventsGoes() async throws {
        let program = try await MonitoredComponent()
        let client = try WebClient(program.port)
        client.send(Array("GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8))
        try await eventually("no viewer") { try await program.metrics().value("nats_storage_page_viewers") == 1 }
        let nats = try await program.connect()
        let name = String(repeating: "k", count: 1000)
        try await eventually("a viewer that does not read stays") {
            await withTaskGroup(of: Void.self) { group in
                for number in 0..<64 {
                    group.addTask {
                        _ = try? await nats.request("storage.t.put", headers: ["Storage-Key": "\(name)\(number)"])
                    }
                }
            }
            return try await program.metrics().value("nats_storage_page_viewers") == 0
        }
        #expect(try await program.get("/healthz").status == 200)
        await nats.close()
        _ = client
    }

    @Test func keysAreToldOnlyWhereThatIsWanted() async throws {
        let nasty = #"a/<img src=x onerror=alert("x")>"#
        for (listen, browse, isTold) in [
            ("127.0.0.1", "", true), ("127.0.0.1", ", browse: false", false), ("0.0.0.0", "", false),
            ("0.0.0.0", ", browse: true", true),
        ] {
            let program = try await MonitoredComponent(http: browse, listen: listen)
            let client = try await program.connect()
            _ = try await client.request("storage.t.put", headers: ["Storage-Key": nasty], payload: [1])
            _ = try await client.request("storage.t.put", headers: ["Storage-If-Match": "9", "Storage-Key": "secret"])
            let keys = try await program.get("/keys?instance=t&prefix=a%2F")
            #expect(keys.status == (isTold ? 200 : 403))
            let objects = isTold ? try keys.json["objects"] as? [[String: Any]] : nil
            #expect(objects?.first?["key"] as? String == (isTold ? nasty : nil))
            let live = try WebClient(program.port)
            live.send(Array("GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8))
            var seen = ""
            while !seen.contains("precondition_failed") {
                let bytes = await live.receive()
                guard !bytes.isEmpty else { break }
                seen += String(decoding: bytes, as: UTF8.self)
            }
            #expect(seen.contains(#""type":"stored""#) && seen.contains(#""type":"failed""#))
            #expect(seen.contains("alert") == isTold && seen.contains("secret") == isTold)
            await client.close()
        }
    }

    @Test func thePageIsGuarded() async throws {
        let program = try await MonitoredComponent()
        let page = try await program.get("/")
        #expect(page.status == 200 && page.headers["content-security-policy"]?.hasPrefix("default-src 'none'") == true)
        #expect(page.headers["x-content-type-options"] == "nosniff")
        #expect(!page.body.contains("http://www.") || page.body.contains("xmlns='http://www.w3.org"))
        // A foreign name that leads to this machine.
        #expect(try await program.get("/", host: "evil.example").status == 421)
        #expect(try await program.get("/keys?instance=t", host: "evil.example:80").status == 421)
        #expect(try await program.get("/", host: "localhost:1").status == 200)
        #expect(try await program.get("/", host: "[::1]:1").status == 200)
        for path in ["/metrics", "/readyz"] {
            #expect(try await program.get(path, host: "evil.example").status == 421)
            #expect(try await program.get(path).status == 200)
        }
        #expect(try await program.get("/healthz", host: "evil.example").status == 200)
        #expect(try await program.get("/keys?instance=other").status == 404)
        #expect(try await program.get("/keys?instance=t&prefix=%ff").status == 400)
    }
}
