import Foundation
import JetStreamStorage
import Logging
import NATS
import Storage
import StorageSnapshot
import TestSupport
import Testing

/// The commands as their users have them, between two buckets and a running component.
@Suite struct SnapshotProgramTests {
    private let server: NATSServer
    private let folder: URL
    private let configuration: String

    init() async throws {
        server = try await NATSServer(.newest)
        folder = server.folder
        let file = folder.appendingPathComponent("stores.yaml")
        try """
        nats: {url: "\(server.url)"}
        instances:
          - {name: first, store: {type: jetstream, bucket: FIRST}}
          - {name: second, store: {type: jetstream, bucket: SECOND}}
        """.write(to: file, atomically: true, encoding: .utf8)
        configuration = file.path
    }

    private func run(_ arguments: String...) async throws -> Outcome {
        try await Program.run(arguments, environment: ["NATS_URL": server.url])
    }

    private func withBucket(_ name: String, _ body: (JetStreamStore) async throws -> Void) async throws {
        var options = NATSOptions()
        options.urls = [server.url]
        let (control, bulk) = (try await NATSConnection.connect(options), try await NATSConnection.connect(options))
        let store = try await JetStreamStore.open(
            BucketConfiguration(name: name), control: control, bulk: bulk, logger: Logger(label: "test"))
        try await body(store)
        await store.shutdown()
        await control.close()
        await bulk.close()
    }

    private func fill() async throws {
        try await withBucket("FIRST") { store in
            for number in 0..<20 {
                try await store.put(try ObjectKey(validating: "k/\(number)"), ObjectBody("\(number)"))
            }
            let attributes = ObjectAttributes(contentType: "a/b", metadata: ["m": ["1"]])
            _ = try await store.put("large", ObjectBody(bytes(3_000_001)), options: PutOptions(attributes: attributes))
        }
    }

    private func expectCopy() async throws {
        try await withBucket("SECOND") { (store) async throws in
            #expect(try await store.bytes("large") == bytes(3_000_001))
            #expect(try await store.info("large").attributes.metadata == ["m": ["1"]])
            #expect(try await store.list(ListQuery(prefix: "k/")).keys.count == 20)
        }
    }

    @Test func snapshotsGoFromStoreToStore() async throws {
        try await fill()
        let (first, second) = (configuration + "#first", configuration + "#second")
        let file = folder.appendingPathComponent("snapshot.jsonl").path
        let export = try await run("snapshot", "export", first, "-o", file)
        #expect(export.status == 0 && export.complaints.contains("21 objects, "), "\(export)")
        let dry = try await run("snapshot", "import", second, file, "--dry-run")
        #expect(dry.status == 0 && dry.output.hasPrefix("21 objects, 3000031 bytes would be imported"), "\(dry)")
        let different = try await run("snapshot", "diff", file, second)
        #expect(different.status == 1 && different.output.hasPrefix("- k/0\n- k/1\n- k/10\n"), "\(different)")
        #expect(different.complaints.contains("21 of 21 keys differ"))
        let loaded = try await run("snapshot", "import", second, file, "--json")
        #expect(loaded.output == #"{"bytes":3000031,"expired":0,"kept":0,"stored":21}"# + "\n", "\(loaded)")
        try await expectCopy()
        for (left, right) in [(file, second), (first, second), (file, file)] {
            let same = try await run("snapshot", "diff", left, right)
            #expect(same.status == 0 && same.output.isEmpty, "\(same)")
        }
        let kept = try await run("snapshot", "import", second, file, "--existing", "keep")
        #expect(kept.output == "0 objects, 0 bytes imported; 21 kept, 0 expired\n", "\(kept)")
        let infos = try await run("snapshot", "export", first, "--prefix", "k/1", "--metadata-only")
        #expect(infos.output.split(separator: "\n").count == 13, "\(infos)")
        try FileManager.default.removeItem(atPath: file)
        let broken = try await run("snapshot", "export", configuration + "#none", "-o", file)
        #expect(broken.status == 1 && broken.complaints.contains("first, second"), "\(broken)")
        #expect(!FileManager.default.fileExists(atPath: file))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).allSatisfy { !$0.contains(".part") })
    }

    @Test func storesAreCopied() async throws {
        try await fill()
        let (first, second) = (configuration + "#first", configuration + "#second")
        let dry = try await run("copy", first, second, "--dry-run", "--prefix", "k/1")
        #expect(dry.status == 0 && dry.output.hasPrefix("copy k/1 1\ncopy k/10 2\n"), "\(dry)")
        #expect(
            dry.output.hasSuffix("11 objects, 21 bytes would be copied; 0 changed, 0 deleted, 0 skipped, 0 failed\n"))
        let state = folder.appendingPathComponent("state").path
        // As a run that was interrupted left it.
        try "\(first) \(second) \nk/5\n".write(toFile: state, atomically: true, encoding: .utf8)
        let rest = try await run("copy", first, second, "--state", state, "--parallel", "3")
        #expect(rest.output.hasPrefix("5 objects, 3000005 bytes copied; "), "\(rest)")
        #expect(!FileManager.default.fileExists(atPath: state))
        let all = try await run("copy", first, second, "--json")
        #expect(all.output.contains(#""copied":16,"#) && all.output.contains(#""skipped":5"#), "\(all)")
        try await expectCopy()
        try "another\nk/5\n".write(toFile: state, atomically: true, encoding: .utf8)
        let other = try await run("copy", first, second, "--state", state)
        #expect(other.status == 1 && other.complaints.contains("another copy"), "\(other)")
        #expect(try await run("copy", first).status == 2)
        #expect(try await run("copy", first, second, "--parallel", "0").status == 2)
        let missing = try await run("copy", first, folder.path + "/none.yaml")
        #expect(missing.status == 1 && missing.complaints.contains("none.yaml"), "\(missing)")
    }

    @Test func aRunningComponentIsAStoreToo() async throws {
        try await fill()
        let component = Process()
        component.executableURL = Program.url
        component.arguments = ["serve", "--config", configuration]
        let output = Pipe()
        component.standardOutput = output
        component.standardError = FileHandle.nullDevice
        try component.run()
        defer { component.terminate() }
        let served = await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                var text = Data()
                while text.filter({ $0 == UInt8(ascii: "\n") }).count < 2 {
                    let data = output.fileHandleForReading.availableData
                    if data.isEmpty { break }
                    text += data
                }
                continuation.resume(returning: String(decoding: text, as: UTF8.self))
            }
        }
        #expect(served.contains("first") && served.contains("second"))
        let copied = try await run("copy", server.url + "/first", server.url + "/second", "--delete", "-v")
        #expect(copied.status == 0 && copied.output.contains("copy large 3000001\n"), "\(copied)")
        try await expectCopy()
        let same = try await run("snapshot", "diff", configuration + "#first", server.url + "/second")
        #expect(same.status == 0, "\(same)")
    }

    /// The program's memory does not grow with the objects.
    @Test func largeObjectsPassThroughALittleMemory() async throws {
        let size = 96 << 20
        try await withBucket("FIRST") { store in try await store.put("small", ObjectBody("x")) }
        try await withBucket("SECOND") { store in try await store.put("large", ObjectBody(bytes(size))) }
        let driver = """
            import resource, subprocess, sys
            subprocess.run(sys.argv[1:], check=True, capture_output=True)
            print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
            """
        let file = folder.appendingPathComponent("snapshot.jsonl").path
        func peak(_ arguments: String...) async throws -> Int {
            let text = try await python(driver, [Program.url.path] + arguments)
            return try Int(text.trimmingCharacters(in: .whitespacesAndNewlines)).orThrow("no number: \(text)")
        }
        let base = try await peak("snapshot", "export", configuration + "#first", "-o", file)
        let export = try await peak("snapshot", "export", configuration + "#second", "-o", file)
        let load = try await peak("snapshot", "import", configuration + "#first", file)
        for kibibytes in [export, load] { #expect(kibibytes < base + (64 << 10), "\(kibibytes) KiB over \(base)") }
        try await withBucket("FIRST") { (store) async throws in
            #expect(try await store.info("large").digest == Digest(of: bytes(size)))
        }
    }
}
