import Foundation
import NATS
import Storage
import StorageService
import TestSupport
import Testing

/// What the wire contract says of the rarer requests.
@Suite struct ContractTests {
    private func code(_ answer: (status: Int, headers: NATSHeaders, body: [UInt8])) throws -> String? {
        try json(answer.body)["code"] as? String
    }

    @Test func theAPIHeedsConditions() async throws {
        let component = try await Component()
        _ = try await component.ask("put", "\"x\"", ["Storage-Key": "k"])
        for action in ["delete", "get", "info"] {
            let query = #"{"action":"\#(action)","key":"k"}"#
            #expect(try code(await component.ask("api", query, ["Storage-If-Match": "none"])) == "precondition_failed")
        }
        let version = try #require(await component.ask("get", "k").headers.first("Storage-Version"))
        let deleted = try json(
            await component.ask("api", #"{"action":"delete","key":"k"}"#, ["Storage-If-Match": version]).body)
        #expect(deleted["deleted"] as? Bool == true)
        try await component.stop()
    }

    @Test func whatTheAPICouldNotAnswerWasNotRetrieved() async throws {
        let component = try await Component()
        try await component.store.put("k", ObjectBody([UInt8](repeating: 255, count: 900_000)))
        let events = try await component.client.subscribe("storage.t.events")
        #expect(try code(await component.ask("api", #"{"action":"get","key":"k"}"#)) == "too_large")
        #expect(try await events.nextJSON()["type"] as? String == "failed")
        _ = try await component.ask("put", "x", ["Storage-Key": "next"])
        #expect(try await events.nextJSON()["type"] as? String == "stored")
        try await component.stop()
    }

    @Test func escapesHaveFourDigits() async throws {
        let component = try await Component()
        for text in [#""\u+041""#, #""\u-000""#, #""\u 041""#] {
            try await component.store.put("k", ObjectBody(text))
            let got = try json(await component.ask("api", #"{"action":"get","key":"k"}"#).body)
            #expect(got["data"] == nil && got["data_base64"] as? String == Data(text.utf8).base64EncodedString())
            #expect(try code(await component.ask("api", #"{"action":"store","data":\#(text)}"#)) == "invalid")
        }
        try await component.stop()
    }

    @Test func anUploadHasToBeNamedWhereKeysAreDigests() async throws {
        // Uploads stay open here: a stop need not wait for them.
        let component = try await Component {
            $0.keyGenerator = CompositeKeyGenerator([try DigestKeyGenerator()])
            $0.uploadGrace = .zero
        }
        #expect(try await component.ask("upload").status == 400)
        #expect(try await component.ask("upload", "", ["Storage-Key": "k"]).status == 200)
        #expect(try await component.ask("put", "x").status == 200)
        try await component.stop()
        let other = try await Component {
            $0.keyGenerator = try NUIDKeyGenerator()
            $0.uploadGrace = .zero
        }
        #expect(try await other.ask("upload").status == 200)
        try await other.stop()
    }

    @Test func theEndOfAnUploadBringsNoBytes() async throws {
        let component = try await Component()
        let opened = try json(await component.ask("upload", "", ["Storage-Key": "k"]).body)
        let subject = try #require(opened["part_subject"] as? String)
        #expect(try await component.ask(subject: subject, [1], ["Storage-Part": "1"]).status == 200)
        for headers: NATSHeaders in [
            ["Storage-Commit": "-"], ["Storage-Abort": "1"], ["Storage-Part": "2", "Storage-Commit": "-"],
        ] {
            #expect(try await component.ask(subject: subject, [2], headers).status == 400)
        }
        #expect(
            try await component.ask(subject: subject, [], ["Storage-Part": "2", "Storage-Commit": "-"]).status == 400)
        let ended = try await component.ask(subject: subject, [], ["Storage-Commit": "-"])
        #expect(try json(ended.body)["size"] as? Int == 1)
        try await component.stop()
    }

    @Test(arguments: ["bytes=99999999999999999999-", "bytes=99999999999999999999-99999999999999999999", "bytes=3-"])
    func rangesBeyondTheObjectCanNotBeSatisfied(_ range: String) async throws {
        let component = try await Component()
        try await component.store.put("k", ObjectBody("abc"))
        #expect(try await component.ask("get", "k", ["Storage-Range": range]).status == 416)
        try await component.stop()
    }

    @Test func aCallerMayAllowMoreTimeThanTheInstance() async throws {
        let slow = GetStore { () async throws(StorageError) in try? await Task.sleep(for: .milliseconds(300)) }
        let component = try await Component(store: slow) { $0.limits.requestTimeout = .milliseconds(20) }
        try await component.store.put("k", ObjectBody("abc"))
        let late = try await component.ask("get", "k")
        let said = try #require(late.headers.first("Nats-Service-Error"))
        #expect(late.status == 408 && said.contains("get of “k” took longer"), "\(said)")
        #expect(try await component.ask("get", "k", ["Storage-Timeout": "30000"]).status == 200)
        try await component.stop()
    }

    @Test func whatIsNotFoundIsToldToo() async throws {
        let component = try await Component()
        let events = try await component.client.subscribe("storage.t.events")
        for port in ["get", "info"] {
            #expect(try await component.ask(port, "none").status == 404)
            let event = try await events.nextJSON()
            #expect(event["type"] as? String == "failed" && event["operation"] as? String == port)
            #expect(event["key"] as? String == "none")
            #expect((event["error"] as? [String: String])?["code"] == "not_found")
        }
        try await component.stop()
    }

    /// Few characters, but many bytes.
    @Test func aKeyThatIsNoneIsNotRepeatedInFull() async throws {
        let component = try await Component()
        let refused = try await component.ask("get", "e" + String(repeating: "\u{301}", count: 300_000))
        #expect(refused.status == 400 && refused.body.count < 2000)
        try await component.stop()
    }
}
