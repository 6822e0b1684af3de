import Foundation
import NATS
import Storage
import TestSupport
import Testing

/// What a client's own writing of headers does: sent as bytes, since libraries refuse to send most of it.
@Suite struct HeaderTests {
    /// Sends one put with this header block and prints the reply's header block.
    private static let script = """
        import socket, sys
        port, block = int(sys.argv[1]), sys.argv[2].encode("latin-1").decode("unicode_escape").encode("latin-1")
        s = socket.create_connection(("127.0.0.1", port))
        s.settimeout(30)
        header = sys.argv[3].encode() + b"\\r\\n" + block + b"\\r\\n"
        s.sendall(b'CONNECT {"verbose":false,"headers":true,"no_responders":true}\\r\\nSUB inbox 1\\r\\n')
        s.sendall(b"HPUB storage.t.put inbox %d %d\\r\\n%snew\\r\\n" % (len(header), len(header) + 3, header))
        data = b""
        while b"HMSG" not in data and b"\\nMSG" not in data:
            data += s.recv(65536)
        print(data.decode())
        """

    private func put(
        _ block: String, to component: Component, version: String = "NATS/1.0"
    ) async throws -> String {
        try await python(Self.script, [String(component.server.port), block, version])
    }

    @Test(arguments: ServerFlavor.allCases)
    func aConditionIsNeverLost(_ flavor: ServerFlavor) async throws {
        let component = try await Component(flavor)
        _ = try await component.ask("put", "old", ["Storage-Key": "k"])
        let condition = #"Storage-Key: k\r\nStorage-If-None-Match: *\r\n"#
        let refused = [
            (#"Storage-Meta-X:\r\n"# + condition, "412"), (condition + #"Storage-Meta-X: \r\n"#, "412"),
            (#"Content-Type: \r\n"# + condition + #"Storage-Meta-Y:\r\n"#, "412"),
            (#"Storage-Key:\r\n"#, "400"), (#"Storage-Key: k\r\nStorage-If-None-Match *\r\n"#, "400"),
            (#"Storage-Key: k\r\nStorage-Meta-X: \xff\r\n"#, "400"), (#"Storage-Key: k\r\n: v\r\n"#, "400"),
            (#"Storage-Key: k\r\nStorage-If-Match:\r\n"#, "412"),
            (#"Storage-Key: k\r\nStorage-Metadata: [1]\r\n"#, "400"),
        ]
        for (block, status) in refused {
            let reply = try await put(block, to: component)
            #expect(reply.contains("Nats-Service-Error-Code: \(status)"), "\(block): \(reply)")
        }
        #expect(try await component.ask("get", "k").body == Array("old".utf8))
        for version in ["XXXX/1.0", "nats/1.0", "N"] {
            let reply = try await put(condition, to: component, version: version)
            #expect(reply.contains("Nats-Service-Error-Code: 400"), "\(version): \(reply)")
        }
        #expect(try await component.store.list(ListQuery()).keys.count == 1)
        let taken = try await put(#"Storage-Meta-Empty:\r\nStorage-Key: e\r\n"#, to: component)
        #expect(taken.contains(#""metadata":{"Empty":[""]}"#), "\(taken)")
        try await component.stop()
    }
}
