import Foundation
import TestSupport
import Testing

/// The page, as a browser shows it.
@Suite struct PageTests {
    private struct Seen: Decodable {
        /// How long each of some events took from its request to the page.
        let delays: [Double]
        let nasty: Bool
        let rate: Bool
        let connections: String
        let filtered: Bool
        let dark: String
        let overflow: Int
        let hacked: Int
        let images: Int
        let console: [String]
    }

    @Test func aPersonSeesWhatHappens() async throws {
        let program = try await MonitoredComponent()
        let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "page.py")
        // Where to look at the pictures.
        let folder = ProcessInfo.processInfo.environment["PAGE_PICTURES"] ?? program.folder.path
        let output = try await python(
            try String(contentsOf: script, encoding: .utf8),
            ["http://127.0.0.1:\(program.port)/", program.server.url, folder])
        let seen = try JSONDecoder().decode(Seen.self, from: Data(output.utf8))
        // The quickest: others may have had to wait for the machine.
        #expect((seen.delays.min() ?? 9) < 5, "\(seen.delays)")
        #expect(seen.nasty && seen.rate && seen.filtered)
        #expect(seen.connections.contains("NATS control connected") && seen.connections.contains(program.server.url))
        #expect(seen.hacked == 0 && seen.images == 0 && seen.overflow == 0)
        #expect(seen.dark == "rgb(15, 20, 27)")
        #expect(seen.console == [])
        for name in ["light", "dark", "narrow"] {
            let picture = try Data(contentsOf: URL(filePath: folder).appending(path: name + ".png"))
            #expect(picture.starts(with: [0x89, 0x50, 0x4e, 0x47]) && picture.count > 20_000)
        }
    }
}
