import Foundation
import Logging
import NATS
import StorageOperations
import TestSupport
import Testing

@Suite struct LogTests {
    /// What a log writes.
    private func written(_ settings: LogSettings, _ body: (LogControl) async throws -> Void) async throws -> [String] {
        let pipe = Pipe()
        let control = LogControl(settings, descriptor: pipe.fileHandleForWriting.fileDescriptor)
        try await body(control)
        await control.flush()
        try pipe.fileHandleForWriting.close()
        return String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            .split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
    }

    @Test func aRecordIsOneLine() async throws {
        let nasty = "a\nb\u{1b}[31m\u{2028}\"c\" \u{0}"
        let lines = try await written(LogSettings()) { control in
            control.logger(.store).info("\(nasty)", metadata: ["key": "\(nasty)", "n": "1"])
        }
        #expect(lines.count == 1)
        let line = try #require(lines.first)
        #expect(line.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x2028 })
        #expect(line.contains(#" info store: a\u{a}b\u{1b}[31m\u{2028}"c" \u{0} key=""#) && line.hasSuffix(" n=1"))
        var settings = LogSettings()
        settings.format = .json
        let json = try await written(settings) { control in
            control.logger(.http).error("\(nasty)", metadata: ["key": "\(nasty)", "message": "m", "list": ["a", "b"]])
        }
        #expect(json.count == 1)
        let record = try JSONSerialization.jsonObject(with: Data(json[0].utf8)) as? [String: String]
        #expect(record?["message"] == nasty && record?["key"] == nasty && record?["message_"] == "m")
        #expect(record?["level"] == "error" && record?["part"] == "http" && record?["time"]?.hasSuffix("Z") == true)
    }

    @Test func recordsAreBounded() async throws {
        let lines = try await written(LogSettings()) { control in
            let long = String(repeating: "é", count: 100_000)
            let metadata = (0..<1000).map { ("name\($0)", Logger.MetadataValue.string(long)) }
            control.logger(.store).info("\(long)", metadata: Dictionary(uniqueKeysWithValues: metadata))
        }
        #expect(lines.count == 1 && lines[0].utf8.count < 50_000)
    }

    @Test func whatNobodyReadsIsDroppedAndNobodyWaits() async throws {
        let pipe = Pipe()
        let control = LogControl(
            LogSettings(), descriptor: pipe.fileHandleForWriting.fileDescriptor, capacity: 100_000)
        let logger = control.logger(.program)
        let text = String(repeating: "x", count: 4000)
        for _ in 0..<200 { logger.info("\(text)") }
        #expect(control.droppedCount > 0)
        #expect(control.droppedCount + (control.recordCounts[.info] ?? 0) == 200)
        let reader = pipe.fileHandleForReading
        DispatchQueue.global().async { while !reader.availableData.isEmpty {} }
        await control.flush()
        try pipe.fileHandleForWriting.close()
    }

    @Test func levelsAreOfPartsAndChange() async throws {
        var settings = LogSettings()
        settings.level = .warning
        settings.levels = [.nats: .debug]
        let lines = try await written(settings) { control in
            let (nats, store) = (control.logger(.nats), control.logger(.store))
            nats.debug("one")
            store.info("two")
            store.warning("three")
            var changed = LogSettings()
            changed.level = .trace
            changed.levels = [.nats: .critical]
            changed.format = .json
            control.settings = changed
            nats.error("four")
            store.trace("five")
            var own = store
            own.logLevel = .error
            own.warning("six")
        }
        #expect(
            lines.map { $0.contains("five") ? "five" : String($0.split(separator: " ").last ?? "") } == [
                "one", "three", "five",
            ])
        #expect(lines.last?.hasPrefix("{") == true)
    }

    /// Whoever reads it as JSON reads all that the component says.
    @Test func aLogOfJSONBeginsAndEndsAsJSON() async throws {
        func messages(_ text: String) throws -> [String?] {
            try text.split(separator: "\n").map {
                try (JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: String])?["message"]
            }
        }
        let program = try await MonitoredComponent(more: "log: {format: json}")
        #expect(try await program.stop() == 0)
        #expect(try messages(program.logText()).contains("serving instance t on storage.t.*"))
        let url = "nats://127.0.0.1:\(try NATSServer.freePort())"
        let file = program.folder.appendingPathComponent("nobody.yaml")
        try """
        nats: {url: "\(url)"}
        start_timeout: 1ms
        log: {format: json}
        instances: [{name: t, store: {type: memory}}]
        """.write(to: file, atomically: true, encoding: .utf8)
        let outcome = try await Program.run(["serve", "--config", file.path])
        #expect(outcome.status == 1 && outcome.output.isEmpty, "\(outcome)")
        let last = try #require(try messages(outcome.complaints).last)
        #expect(last?.contains("connecting to \(url)") == true, "\(outcome)")
    }

    @Test func requestsTellTheirTrace() async throws {
        let program = try await MonitoredComponent(more: "log: {format: json, levels: {instance: trace}}")
        let client = try await program.connect()
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        let events = try await client.subscribe("storage.t.events")
        for parent in [trace, "00-" + String(repeating: "0", count: 32) + "-00f067aa0ba902b7-01", "nonsense"] {
            let headers = [("Storage-Key", "k"), ("traceparent", parent)]
            _ = try await client.request("storage.t.put", headers: NATSHeaders(headers), payload: [1])
            let failing = NATSHeaders(headers + [("Storage-If-Match", "9")])
            _ = try await client.request("storage.t.put", headers: failing, payload: [1])
        }
        let event = try #require(try await events.next(timeout: .seconds(30)))
        let json = try JSONSerialization.jsonObject(with: Data(event.payload)) as? [String: Any]
        #expect((json?["trace"] as? [String: String])?["traceparent"] == trace)
        await client.close()
        #expect(try await program.stop() == 0)
        let records = try program.logText().split(separator: "\n").map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: String])
        }
        let traced = records.filter { $0["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736" }
        #expect(traced.map { $0["level"] } == ["trace", "debug"])
        #expect(traced.allSatisfy { $0["span_id"] == "00f067aa0ba902b7" && $0["instance"] == "t" })
        #expect(records.filter { $0["trace_id"] != nil }.count == 2)
    }
}
