import Foundation
import TestSupport
import Testing

/// The examples for other languages, as they stand in the documents, against a component.
@Suite struct ExampleTests {
    private func serve() async throws -> (server: NATSServer, component: Program.Component) {
        let server = try await NATSServer(.newest)
        return (server, try await Program.Component(["--store", "memory", "--server", server.url]))
    }

    @Test func pythonProgramsRun() async throws {
        let expected = [
            "README.md": [["reports/may.txt", "all well"], ["storage_instance", "objectstore"]],
            "WireProtocol.md": [
                ["swapped 2", "refused 412", "read 42"], ["stored 3072000 whole True"],
                ["['users/anna/photo', 'users/bert/photo', 'users/cleo/photo']"],
            ],
        ]
        let (server, component) = try await serve()
        for (document, outputs) in expected.sorted(by: { $0.key < $1.key }) {
            let programs = Documents.blocks("python", in: try Documents.text(document))
            #expect(programs.count == outputs.count, "\(document)")
            for (program, parts) in zip(programs, outputs) {
                let output = try await python(program.replacing("nats://127.0.0.1:4222", with: server.url), [])
                for part in parts { #expect(output.contains(part), "\(document): \(output)") }
            }
        }
        #expect(await component.stop() == 0)
    }

    /// The command itself is not here: what its arguments mean is written down once more, with nats-py.
    private static let command = """
        import asyncio, sys, nats
        url, verb, subject, payload, *rest = sys.argv[1:]
        headers = dict(text.split(": ", 1) for flag, text in zip(rest[::2], rest[1::2]) if flag == "-H")
        async def main():
            nc = await nats.connect(url)
            if verb == "pub":
                await nc.publish(subject, payload.encode(), headers=headers or None)
                await nc.flush()
            else:
                reply = await nc.request(subject, payload.encode(), headers=headers or None)
                print(dict(reply.headers or {}), reply.data.decode())
            await nc.close()
        assert verb in ("req", "pub"), verb
        asyncio.run(main())
        """

    @Test func commandLinesOfNATSAreAnswered() async throws {
        let (server, component) = try await serve()
        let blocks = Documents.blocks("sh", in: try Documents.text("WireProtocol.md"))
        let lines = blocks.flatMap { $0.split(separator: "\n") }.filter { $0.hasPrefix("nats ") }
        #expect(lines.count == 8)
        for line in lines {
            let split = #"import shlex, sys; print("\n".join(shlex.split(sys.argv[1])[1:]))"#
            let words = try await python(split, [String(line)]).components(separatedBy: "\n").dropLast()
            let output = try await python(Self.command, [server.url] + words)
            #expect(!output.contains("Nats-Service-Error"), "\(line): \(output)")
            if line.contains(".get ") { #expect(output.contains("all well")) }
            if line.contains(".list ") { #expect(output.contains(#""keys":["reports/may.txt"]"#)) }
            if line.contains(".delete ") { #expect(output.contains(#""deleted":true"#)) }
        }
        #expect(await component.stop() == 0)
    }

    @Test func everyLinkInTheManualLeadsSomewhere() throws {
        var count = 0
        for page in try Documents.manual() {
            let text = try String(contentsOf: page, encoding: .utf8)
            for match in text.matches(of: /\]\(([^)\s]+)\)/) where !match.1.contains("://") {
                let parts = match.1.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false).map(
                    String.init)
                let target = parts[0].isEmpty ? page : page.deletingLastPathComponent().appending(path: parts[0])
                let name = "\(page.lastPathComponent): \(match.1)"
                #expect(FileManager.default.fileExists(atPath: target.path), "\(name)")
                if parts.count == 2 {
                    let anchors = Documents.anchors(try String(contentsOf: target, encoding: .utf8))
                    #expect(anchors.contains(parts[1]), "\(name)")
                }
                count += 1
            }
        }
        #expect(count > 50)
    }

    /// What a page shows of a configuration, put where it belongs.
    @Test func everyConfigurationInTheManualIsValid() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "manual-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appending(path: "part.yaml")
        var count = 0
        for page in try Documents.manual() {
            for part in Documents.blocks("yaml", in: try String(contentsOf: page, encoding: .utf8)) {
                let indented = part.replacing("\n", with: "\n    ")
                let whole =
                    switch part.prefix(while: { $0 != ":" }) {
                    case "instances": part
                    case "store": "instances:\n  - " + indented
                    case "ports": "instances:\n  - store: {type: memory}\n    " + indented
                    default: part + "\ninstances: [{store: {type: memory}}]"
                    }
                try whole.write(to: file, atomically: true, encoding: .utf8)
                let checked = try await Program.run(
                    ["config", "check", file.path], environment: ["STORAGE_KEY": String(repeating: "5e", count: 32)])
                #expect(checked.status == 0, "\(page.lastPathComponent): \(part)\n\(checked.complaints)")
                count += 1
            }
        }
        #expect(count >= 4)
    }

    /// Each page is found from the README.
    @Test func theReadmeNamesEveryPage() throws {
        let readme = try Documents.text("README.md")
        for page in try Documents.manual().dropFirst() {
            #expect(readme.contains("(docs/\(page.lastPathComponent)"), "\(page.lastPathComponent)")
        }
    }

    @Test func everyLinkInTheDocumentationLeadsSomewhere() async throws {
        let scratch = Bundle.main.bundleURL.deletingLastPathComponent().deletingLastPathComponent()
        let output = FileManager.default.temporaryDirectory.appending(path: "docs-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: output) }
        let process = Process()
        process.executableURL = Documents.root.appending(path: "deploy/docs.sh")
        process.arguments = [output.path]
        process.environment = ProcessInfo.processInfo.environment.merging([
            "SKIP_BUILD": "1", "SCRATCH": scratch.path,
        ]) { $1 }
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        await process.finish()
        #expect(process.terminationStatus == 0)
        let made = try FileManager.default.contentsOfDirectory(atPath: output.path)
        #expect(made.filter { $0.hasSuffix(".doccarchive") }.count == 14)
    }
}
