import Foundation
import NATS
import Storage
import StorageClient
import Synchronization
import TestSupport
import Testing

/// What a pipeline has left behind: the bucket's objects, the references and the events.
struct PipelineAudit {
    let connection: NATSConnection
    let instance: String

    /// Waits until the consumer has dealt with everything.
    func settle(_ stream: String, _ durable: String, seconds: Int) async throws {
        try await eventually("the pipeline does not come to an end", within: .seconds(seconds)) {
            let info = try? await JetStream(connection, timeout: .seconds(5)).consumerInfo(stream, durable)
            return info?.pending == 0 && info?.unacknowledged == 0
        }
    }

    /// The stored messages: their numbers by key.
    ///
    /// - Throws: where one is not whole.
    func objects() async throws -> [String: Int] {
        let store = RemoteStore(connection, instance: instance)
        var keys: [ObjectKey] = []
        for try await key in store.keys(ListQuery(prefix: "message/")) { keys.append(key) }
        let numbers = Mutex<[String: Int]>([:])
        try await forEach(keys, atOnce: 32) { key in
            let bytes = try await store.bytes(key)
            let digits = bytes.prefix { $0 != UInt8(ascii: ":") }
            guard let number = Int(String(decoding: digits, as: UTF8.self)), bytes == Producer.payload(number) else {
                throw TestFailure("“\(key)” is not whole")
            }
            numbers.withLock { $0[key.rawValue] = number }
        }
        return numbers.withLock { $0 }
    }

    /// What a stream holds on `subject`, as JSON.
    func messages(_ stream: String, _ subject: String) async throws -> [[String: Any]] {
        var payloads: [[UInt8]] = []
        try await JetStream(connection, timeout: .seconds(30)).scan(stream, filter: subject, startSequence: 1) {
            payloads.append($0.payload)
        }
        return try payloads.map {
            try (JSONSerialization.jsonObject(with: Data($0)) as? [String: Any]).orThrow("not JSON")
        }
    }

    /// Holds everything against everything.
    func check(_ producer: Producer, references: String, events: String) async throws {
        let objects = try await objects()
        let acknowledged = producer.acknowledged
        #expect(acknowledged.subtracting(objects.values).isEmpty, "acknowledged, and not stored")
        #expect(Set(objects.values).count == objects.count, "stored more than once")
        let referenced = try await messages("NOTICES", references).compactMap {
            ($0["storage_ref"] as? [String: Any])?["key"] as? String
        }
        #expect(Set(referenced) == Set(objects.keys), "references are not those of the bucket")
        #expect(Set(referenced).count == referenced.count, "a reference came twice")
        let told = try await messages("NOTICES", events).filter {
            $0["type"] as? String == "stored" && ($0["key"] as? String ?? "").hasPrefix("message/")
        }
        #expect(
            Set(told.compactMap { $0["key"] as? String }) == Set(objects.keys), "events are not those of the bucket")
        let ids = told.compactMap { $0["id"] as? String }
        #expect(Set(ids).count == ids.count && ids.count == objects.count, "an event came twice")
    }
}
