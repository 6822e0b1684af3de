import Foundation
import NATS
import Storage
import StorageClient
import TestSupport
import Testing

@Suite struct SnippetTests {
    /// The lines of code without their indentation.
    private func lines(_ text: String) -> [String] {
        text.components(separatedBy: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
    }

    @Test func theDocumentsHoldOnlyCodeThatCompiles() throws {
        let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Snippets.swift")
        let code = lines(try String(contentsOf: file, encoding: .utf8))
        var count = 0
        // The guide has a test of its own.
        for document in try Documents.all() where document.name != "WritingAStore.md" {
            for block in Documents.blocks("swift", in: document.text) {
                let wanted = lines(block)
                let isThere = code.indices.contains { code[$0...].starts(with: wanted) }
                #expect(isThere, "\(document.name): this is in no snippet that compiles:\n\(block)")
                count += 1
            }
        }
        #expect(count >= 14)
    }

    @Test func theCodeDoesWhatTheDocumentsSay() async throws {
        let server = try await NATSServer(.newest)
        let component = try await Program.Component(["--store", "memory", "--server", server.url])
        let snippets = Snippets(url: server.url)
        #expect(try await snippets.remoteStore() == Array("Hello, world".utf8))
        #expect(try await snippets.requests() == Array("taken".utf8))
        try await snippets.bucket()
        try await snippets.store()
        #expect(try await snippets.stack() == Array("stacked".utf8))
        let memory = MemoryStore()
        try await snippets.layers(memory)
        try await snippets.tiers(memory)
        try await snippets.waiting(memory, ["reports/may.txt"])
        let copy = MemoryStore()
        try await snippets.copies(memory, copy)
        #expect(try await copy.bytes("reports/may.txt") == Array("all well".utf8))
        try await snippets.files(server.folder.path + "/objects")
        try await snippets.database(server.folder.path + "/objects.db")
        #expect(await snippets.conformance() == 0)
        #expect(await component.stop() == 0)
    }

    @Test func aProgramServesAStoreAsTheDocumentsSay() async throws {
        let server = try await NATSServer(.newest)
        let serving = Task { try await Snippets(url: server.url).service() }
        var options = NATSOptions()
        options.urls = [server.url]
        let connection = try await NATSConnection.connect(options)
        let store = RemoteStore(connection, instance: "reports")
        try await eventually("not served") { (try? await store.put("k", ObjectBody("served"))) != nil }
        serving.cancel()
        _ = await serving.result
        await connection.close()
    }
}
