import Foundation
import NATS
import Storage
import StorageClient
import TestSupport
import Testing

/// The commands in a shell: where their bytes go, what they take, and what they say where something is wrong.
@Suite struct CommandTests {
    private let server: NATSServer
    private let component: Program.Component
    private let connection: NATSConnection

    init() async throws {
        server = try await NATSServer(.newest)
        component = try await Program.Component(["--store", "memory", "--server", server.url])
        var options = NATSOptions()
        options.urls = [server.url]
        connection = try await NATSConnection.connect(options)
    }

    /// Runs a script in the server's folder; `ns` is the program.
    private func shell(_ script: String) async throws -> Outcome {
        let program = Program.url.path
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", "ns() { \"\(program)\" \"$@\"; }; exec 2>&1; \(script)"]
        process.environment = ["NATS_URL": server.url, "PATH": "/usr/bin:/bin"]
        process.currentDirectoryURL = server.folder
        return try await process.outcome()
    }

    private func expect(_ script: String, _ output: String, at location: SourceLocation = #_sourceLocation) async throws
    {
        let outcome = try await shell(script)
        #expect(outcome.status == 0 && outcome.output == output, "\(outcome)", sourceLocation: location)
    }

    @Test func whatIsNoFileIsWrittenToWhereItIs() async throws {
        try await RemoteStore(connection).put("k", ObjectBody("content\n"))
        try await expect("mkfifo pipe; cat pipe & ns get k -o pipe && wait && test -p pipe", "content\n")
        try await expect(
            "echo old >target; ln -s target link; ns get k -o link && test -L link && cat target", "content\n")
        try await expect(
            "ln -s /proc/self/fd/1 out; (echo before; ns get k -o out) >both && test -L out && cat both",
            "before\ncontent\n")
        try await expect(
            "ns get k -o - && ns get k -o new && cat new && ls *.part*; test $? = 2",
            """
            content
            content
            ls: cannot access '*.part*': No such file or directory

            """)
        let full = try await shell("ln -s /dev/full full; ns get k -o full")
        #expect(full.status == 1 && full.output.contains("“full” can't be written: No space left"), "\(full)")
        let dangling = try await shell("ln -s nowhere loose; ns get k -o loose")
        #expect(dangling.status == 1 && dangling.output.contains("leads nowhere"), "\(dangling)")
        let snapshot = try await shell("ln -s snapshot.jsonl s; : >snapshot.jsonl; ns snapshot export $NATS_URL -o s")
        #expect(snapshot.status == 0, "\(snapshot)")
        try await expect("test -L s && head -c 12 snapshot.jsonl", "{\"snapshot\":")
    }

    @Test func whatCannotBeWrittenIsToldWithTheReason() async throws {
        try await RemoteStore(connection).put("large", ObjectBody(bytes(2_000_000)))
        let gone = try await shell("ns get large | head -c 1 >/dev/null")
        #expect(gone.output == "nats-storage: standard output can't be written: Broken pipe\n", "\(gone)")
        let missing = try await shell("ns get large -o none/x")
        #expect(missing.status == 1 && missing.output.contains("“none/x” can't be written: No such file"), "\(missing)")
        let state = try await shell("ns copy $NATS_URL $NATS_URL --state none/x")
        #expect(state.status == 1 && state.output.contains("“none/x” can't be written"), "\(state)")
        try await expect("ns copy $NATS_URL $NATS_URL --state x >/dev/null && test ! -e x", "")
    }

    /// They take room of every message that tells of the object.
    @Test(arguments: [1_030_000, 2 << 20])
    func objectsWithMuchMetadataGoThrough(_ size: Int) async throws {
        let store = RemoteStore(connection)
        let metadata = (0..<20).reduce(into: Metadata()) { $0["name-\($1)"] = [String(repeating: "x", count: 1000)] }
        let options = PutOptions(attributes: ObjectAttributes(metadata: metadata))
        let content = (0..<size).map { UInt8(truncatingIfNeeded: $0 / 1000) }
        _ = try await store.put("k", ObjectBody(content), options: options)
        let found = try await store.get("k")
        #expect(found.info.attributes.metadata == metadata)
        #expect(try await found.body.collect(upTo: .max) == content)
    }

    /// Stores that need nothing but a place.
    @Test(arguments: ["file", "sqlite"])
    func aStoreIsNamedByAnOption(_ type: String) async throws {
        let path = server.folder.appending(path: "served-\(type)").path
        let served = try await Program.Component(
            ["--store", type, "--path", path, "--instance", type, "--server", server.url])
        try await RemoteStore(connection, instance: type).put("k", ObjectBody("content\n"))
        try await expect("test -e served-\(type) && ns get k --instance \(type)", "content\n")
        #expect(await served.stop() == 0)
        #expect(try await shell("ns serve --store s3").output.contains("needs --bucket"))
    }

    @Test func portsMayHaveSubjectsOfTheirOwn() async throws {
        let file = server.folder.appending(path: "mine.yaml")
        let ports = ["put", "get", "info", "list", "delete", "upload"].map { "{name: \($0), subject: my.\($0)}" }
        try """
        nats: {url: "\(server.url)"}
        instances: [{name: mine, store: {type: memory}, ports: {inputs: [\(ports.joined(separator: ", "))]}}]
        """.write(to: file, atomically: true, encoding: .utf8)
        let served = try await Program.Component(["--config", file.path])
        try await expect(
            "echo content >c; head -c 3000000 /dev/zero >large; ns put k c --instance mine >out && ns put l large --instance mine "
                + ">out && ns get k --instance mine && ns ls --instance mine && ns rm k --instance mine",
            "content\nk\nl\ndeleted k\n")
        #expect(await served.stop() == 0)
    }

    @Test func serversAreNamedByOptionOrVariable() async throws {
        try await expect("ns ls", "")
        try await expect("ns ls --server ''", "")
        try await expect("NATS_URL=\" nats://127.0.0.1:1, $NATS_URL \" ns ls", "")
        try await expect("ns ls --server \"nats://127.0.0.1:1,$NATS_URL\"", "")
        try await expect("ns --version", "0.1.0\n")
    }

    @Test func aFileLeavesNothingForOptionsToSay() async throws {
        for option in ["--instance x", "--store memory", "--bucket B"] {
            let refused = try await shell(
                "echo 'instances: [{store: {type: memory}}]' >c.yaml; ns serve --config c.yaml \(option)")
            #expect(refused.status == 2 && refused.output.contains("exclude one another"), "\(refused)")
        }
    }

    @Test func eventsAreWatchedOnAnySubject() async throws {
        let publishing = Task {
            while !Task.isCancelled {
                try await connection.publish("mine.stored", payload: Array("{}".utf8))
                try await Task.sleep(for: .milliseconds(20))
            }
        }
        // With whom it told nothing more to, it ends.
        let watched = try await shell("ns watch --subject 'mine.*' | head -n 1")
        publishing.cancel()
        #expect(watched.output.hasPrefix("{}\n"), "\(watched)")
    }

    /// On a terminal, the line that is written over and over makes room for what comes next.
    @Test func theSummaryHasALineOfItsOwn() async throws {
        for number in 0..<3 {
            try await RemoteStore(connection).put(try ObjectKey(validating: "k\(number)"), ObjectBody("x"))
        }
        let exported = try await shell("ns snapshot export $NATS_URL -o s.jsonl")
        #expect(exported.status == 0, "\(exported)")
        let slow = "instances: [{store: {type: memory, layers: [{faults: {latency: 400ms, operations: [put]}}]}}]"
        try "nats: {url: \"\(server.url)\"}\n\(slow)".write(
            to: server.folder.appendingPathComponent("slow.yaml"), atomically: true, encoding: .utf8)
        let terminal = """
            import os, pty, subprocess, sys
            outer, inner = pty.openpty()
            subprocess.run(sys.argv[1:], stdout=inner, stderr=inner, check=True)
            print(os.read(outer, 65536).decode())
            """
        let program = Program.url.path
        let folder = server.folder.path
        let said = try await python(
            terminal, [program, "snapshot", "import", folder + "/slow.yaml", folder + "/s.jsonl"])
        #expect(said.contains("2 objects, 0 MiB\u{1b}[K"), "\(said.debugDescription)")
        #expect(said.contains("\r\u{1b}[K3 objects, 3 bytes imported; "), "\(said.debugDescription)")
    }
}
