import Foundation
import NATS
import Storage
import StorageService
import TestSupport
import Testing

@Suite struct PortTests {
    @Test(arguments: ServerFlavor.allCases)
    func putGetInfoListDelete(_ flavor: ServerFlavor) async throws {
        let component = try await Component(flavor)
        let put = try await component.ask(
            "put", "hello",
            ["Storage-Key": "a/b", "Content-Type": "text/plain", "Storage-Meta-X": "1", "Storage-Meta-X": "2"])
        let info = try json(put.body)
        #expect(put.status == 200)
        #expect(info["key"] as? String == "a/b" && info["size"] as? Int == 5)
        #expect(info["digest"] as? String == Digest(of: Array("hello".utf8)).description)
        let get = try await component.ask("get", "a/b")
        #expect(get.body == Array("hello".utf8))
        #expect(get.headers.first("Storage-Key") == "a/b" && get.headers.first("Storage-Size") == "5")
        #expect(get.headers.first("Storage-Version") == info["version"] as? String)
        #expect(get.headers.first("Content-Type") == "text/plain")
        #expect(get.headers.all("Storage-Meta-X") == ["1", "2"])
        let part = try await component.ask("get", "", ["Storage-Key": "a/b", "Storage-Range": "bytes=1-3"])
        #expect(part.body == Array("ell".utf8))
        #expect(part.headers.first("Storage-Content-Range") == "bytes 1-3/5")
        #expect(try json(await component.ask("info", "a/b").body)["size"] as? Int == 5)
        _ = try await component.ask("put", "x", ["Storage-Key": "c"])
        #expect(try json(await component.ask("list").body)["keys"] as? [String] == ["a/b", "c"])
        let page = try json(await component.ask("list", #"{"delimiter":"/","limit":1}"#).body)
        #expect(page["prefixes"] as? [String] == ["a/"] && page["next"] as? String == "a/")
        #expect(try json(await component.ask("delete", "c").body)["deleted"] as? Bool == true)
        #expect(try json(await component.ask("delete", "c").body)["deleted"] as? Bool == false)
        let generated = try json(await component.ask("put", "x").body)["key"] as? String
        #expect(generated?.hasPrefix("message/") == true)
        try await component.stop()
    }

    @Test(arguments: ServerFlavor.allCases)
    func badInputGetsItsRow(_ flavor: ServerFlavor) async throws {
        let component = try await Component(flavor) { $0.limits.maxObjectSize = 100 }
        let old = try json(try await component.ask("put", "old", ["Storage-Key": "k"]).body)
        let rows: [(port: String, payload: String, headers: NATSHeaders, status: Int, code: String)] = [
            ("get", "", [:], 400, "invalid"), ("get", "../x", [:], 400, "invalid"),
            ("get", "k", ["Storage-Range": "bytes=x"], 400, "invalid"),
            ("get", "k", ["Storage-Range": "bytes=9-"], 416, "range_not_satisfiable"),
            ("get", "none", [:], 404, "not_found"), ("info", "none", [:], 404, "not_found"),
            ("get", "k", ["Storage-If-Match": "x"], 412, "precondition_failed"),
            ("info", "k", ["Storage-If-Match": "x"], 412, "precondition_failed"),
            ("delete", "k", ["Storage-If-Match": "x"], 412, "precondition_failed"),
            ("put", "new", ["Storage-Key": "k", "Storage-If-None-Match": "*"], 412, "precondition_failed"),
            ("put", "new", ["Storage-Key": "k", "Storage-If-None-Match": "x"], 400, "invalid"),
            ("put", "new", ["Storage-Key": "k", "Storage-TTL": "-1"], 400, "invalid"),
            ("put", "new", ["Storage-Key": "k", "Storage-TTL": "nan"], 400, "invalid"),
            ("put", "new", ["Storage-Key": "k", "Storage-TTL": "0x10"], 400, "invalid"),
            ("put", "new", ["Storage-Key": "k", "Nats-Msg-Id": String(repeating: "i", count: 5000)], 400, "invalid"),
            ("put", "new", ["Storage-Key": "k", "Content-Encoding": "a\u{1}b"], 400, "invalid"),
            ("upload", "", ["Storage-Key": "k", "Content-Type": "a\u{7f}b"], 400, "invalid"),
            ("put", "new", ["Storage-Key": "k", "Storage-Timeout": "soon"], 400, "invalid"),
            ("put", "new", ["Storage-Key": "a//b"], 400, "invalid"),
            ("put", String(repeating: "x", count: 101), ["Storage-Key": "k"], 413, "too_large"),
            (
                "put", "new", ["Storage-Key": "k", "Storage-Digest": Digest(of: [1]).description], 422,
                "digest_mismatch"
            ),
            ("list", "{", [:], 400, "invalid"), ("list", #"{"limit":0}"#, [:], 400, "invalid"),
            ("list", #"{"limit":"x"}"#, [:], 400, "invalid"), ("upload", "", ["Storage-Key": "a//b"], 400, "invalid"),
            ("api", "garbage", [:], 400, "invalid"), ("api", #"{"action":"fly"}"#, [:], 400, "invalid"),
        ]
        for row in rows {
            let reply = try await component.ask(row.port, row.payload, row.headers)
            #expect(reply.status == row.status, "\(row)")
            guard row.port != "api" else { continue }
            let error = try json(reply.body)["error"] as? [String: Any]
            #expect(error?["code"] as? String == row.code, "\(row)")
            if row.status == 412 { #expect(reply.headers.first("Storage-Version") == old["version"] as? String) }
        }
        let garbage = try await component.ask(subject: "storage.t.get", [0xff, 0xfe, 0], [:])
        #expect(garbage.status == 400)
        #expect(try await component.ask("get", "k").body == Array("old".utf8))
        #expect(try json(await component.ask("list").body)["keys"] as? [String] == ["k"])
        try await component.stop()
    }

    @Test func whatDoesNotFitAReply() async throws {
        let component = try await Component(server: "max_payload: 8192")
        let key: ObjectKey = "big"
        try await component.store.put(key, ObjectBody([UInt8](repeating: 7, count: 20_000)))
        let refused = try await component.ask("get", "big")
        #expect(refused.status == 413)
        #expect(refused.headers.first("Storage-Size") == "20000")
        let version = try #require(refused.headers.first("Storage-Version"))
        let part = try await component.ask(
            "get", "big", ["Storage-If-Match": version, "Storage-Range": "bytes=0-4095"])
        #expect(part.body.count == 4096)
        for number in 0..<500 {
            try await component.store.put(
                ObjectKey(validating: "list/\(1000 + number)-with-a-longer-name"), ObjectBody(""))
        }
        var listed: [String] = []
        var next: String?
        repeat {
            let page = try json(
                await component.ask("list", #"{"prefix":"list/","start_after":"\#(next ?? "")"}"#).body)
            listed += try #require(page["keys"] as? [String])
            next = page["next"] as? String
        } while next != nil
        #expect(listed.count == 500 && listed == listed.sorted())
        try await component.stop()
    }

    /// What doubles as JSON, what no header can carry, what is repeated in the reply.
    @Test func everyRequestIsAnsweredWhateverItHolds() async throws {
        let component = try await Component()
        let events = try await component.client.subscribe("storage.t.events")
        let quotes = String(repeating: "\"", count: 700_000)
        let large = try await component.ask("put", "x", ["Storage-Key": "k", "Storage-Meta-a": quotes])
        #expect(large.status == 413)
        #expect(try await component.ask("upload", "", ["Storage-Key": "k", "Content-Type": quotes]).status == 413)
        #expect(try await component.ask("info", "k").status == 404)
        try await component.client.publish("storage.t.write", headers: ["Storage-Meta-a": quotes], payload: [1])
        for operation in ["put", "upload", "info", "write"] {
            let failed = try await events.nextJSON()
            #expect(failed["operation"] as? String == operation)
            let code = operation == "info" ? "not_found" : "too_large"
            #expect((failed["error"] as? [String: String])?["code"] == code)
        }
        // Put there by another writer of the store.
        let foreign = ObjectAttributes(contentEncoding: "a\0\rb", metadata: ["a": ["b"]])
        _ = try await component.store.put("foreign", ObjectBody("x"), options: PutOptions(attributes: foreign))
        let got = try await component.ask("get", "foreign")
        #expect(got.body == Array("x".utf8) && got.headers.first("Content-Encoding") == nil)
        let info = try json(await component.ask("info", "foreign").body)
        #expect(info["content_encoding"] as? String == "a\0\rb")
        let heavy = ObjectAttributes(metadata: ["a": [quotes]])
        _ = try await component.store.put("heavy", ObjectBody("x"), options: PutOptions(attributes: heavy))
        #expect(try await component.ask("info", "heavy").status == 413)
        for port in ["get", "put"] {
            let version = String(repeating: "v", count: 900_000)
            let reply = try await component.ask(port, "k", ["Storage-Key": "foreign", "Storage-If-Match": version])
            #expect(reply.status == 412 && reply.body.count < 1000)
        }
        try await component.stop()
    }

    @Test func aListGivesAsManyKeysAsTheInstanceAllows() async throws {
        let component = try await Component { $0.limits.maxKeys = 3 }
        for number in 0..<5 { try await component.store.put(try ObjectKey(validating: "k\(number)"), ObjectBody("")) }
        for query in ["", #"{"limit":10000}"#] {
            let page = try json(await component.ask("list", query).body)
            #expect(page["keys"] as? [String] == ["k0", "k1", "k2"] && page["next"] as? String == "k2")
        }
        let one = try json(await component.ask("list", #"{"limit":1}"#).body)
        #expect(one["keys"] as? [String] == ["k0"])
        let api = try json(await component.ask("api", #"{"action":"list","start_after":"k2"}"#).body)
        #expect(api["keys"] as? [String] == ["k3", "k4"])
        #expect(try await component.ask("list", #"{"limit":10001}"#).status == 400)
        let info = try json(await component.ask(subject: "$SRV.INFO.storage-t", [], [:]).body)
        let metadata = info["metadata"] as? [String: String]
        #expect(metadata?["max_keys"] == "3")
        #expect(
            metadata?["capabilities"] == "create_only,compare_and_swap,time_to_live,metadata_update,message_id")
        try await component.stop()
    }

    @Test func asManyUploadsAreOpenAsTheInstanceAllows() async throws {
        let component = try await Component {
            $0.limits.maxUploads = 1
            $0.limits.maxObjectSize = 10
            // The last one stays open.
            $0.uploadGrace = .zero
        }
        let first = try await component.ask("upload", "", ["Storage-Key": "a"])
        let part = try #require(json(first.body)["part_subject"] as? String)
        #expect(try await component.ask("upload", "", ["Storage-Key": "b"]).status == 503)
        let large = [UInt8](repeating: 0, count: 11)
        #expect(try await component.ask(subject: part, large, ["Storage-Part": "1"]).status == 413)
        #expect(try await component.ask(subject: part, [], ["Storage-Abort": "1"]).status == 200)
        #expect(try await component.ask("upload", "", ["Storage-Key": "b"]).status == 200)
        #expect(try await component.store.list(ListQuery()).keys.isEmpty)
        try await component.stop()
    }

    @Test func deadlineAndCapacity() async throws {
        let component = try await Component(store: GetStore.endless) { $0.limits.maxInFlight = 2 }
        async let first = component.ask("get", "k", ["Storage-Timeout": "4000"])
        async let second = component.ask("get", "k", ["Storage-Timeout": "4000"])
        async let third = component.ask("get", "k", ["Storage-Timeout": "4000"])
        #expect(try await [first.status, second.status, third.status].sorted() == [408, 408, 503])
        // Those that were answered may still hold their places.
        var late = 503
        try await eventually("no place is given back") {
            late = try await component.ask("get", "k", ["Storage-Timeout": "50"]).status
            return late != 503
        }
        #expect(late == 408)
        try await component.stop()
    }

    @Test(arguments: [
        (StorageError.Kind.invalid, 400, "invalid"), (.notFound, 404, "not_found"), (.timeout, 408, "transient"),
        (.preconditionFailed, 412, "conflict"), (.tooLarge, 413, "invalid"), (.rangeNotSatisfiable, 416, "invalid"),
        (.digestMismatch, 422, "invalid"), (.throttled, 429, "transient"), (.internal, 500, "fatal"),
        (.unsupported, 501, "invalid"), (.unavailable, 503, "transient"), (.cancelled, 503, "transient"),
    ])
    func everyErrorHasItsRow(_ kind: StorageError.Kind, _ status: Int, _ errorClass: String) async throws {
        let store = GetStore { () async throws(StorageError) in
            var error = StorageError(kind, "line one\nline two")
            error.currentVersion = Version("7")
            error.retryAfter = .milliseconds(1500)
            throw error
        }
        let component = try await Component(store: store)
        let reply = try await component.ask("get", "k")
        #expect(reply.status == status)
        #expect(reply.headers.first("Nats-Service-Error")?.contains("line one line two") == true)
        let error = try #require(try json(reply.body)["error"] as? [String: Any])
        #expect(error["class"] as? String == errorClass)
        #expect(error["code"] as? String == (kind == .cancelled ? "unavailable" : kind.rawValue))
        #expect(reply.headers.first("Storage-Version") == "7")
        #expect(reply.headers.first("Storage-Retry-After") == "2")
        #expect(try await component.ask("put", "x", ["Storage-Key": "k"]).status == 200)
        try await component.stop()
    }

    @Test func timeToLiveAndDuplicates() async throws {
        let component = try await Component()
        let put = try await component.ask("put", "x", ["Storage-Key": "t", "Storage-TTL": "100", "Nats-Msg-Id": "1"])
        #expect(try json(put.body)["expires"] is String)
        #expect(try await component.ask("get", "t").headers.first("Storage-Expires") != nil)
        let again = try await component.ask("put", "y", ["Storage-Key": "u", "Nats-Msg-Id": "1"])
        #expect(again.body == put.body)
        try await component.stop()
    }

    @Test func putsOfOneMessageIDTellOneEvent() async throws {
        let component = try await Component()
        let events = try await component.client.subscribe("storage.t.events")
        var ids: [String?] = []
        for id in ["1", "1", "2"] {
            _ = try await component.ask("put", "x", ["Storage-Key": "k", "Nats-Msg-Id": id])
            ids.append(try await events.nextJSON()["id"] as? String)
        }
        #expect(ids[0] != nil && ids[0] == ids[1] && ids[1] != ids[2])
        try await component.stop()
    }

    @Test func apiAnswersAreOfOneShape() async throws {
        let component = try await Component(store: GetStore.endless) { $0.limits.maxInFlight = 1 }
        let events = try await component.client.subscribe("storage.t.events")
        let get = #"{"action":"get","key":"k"}"#
        let answers = try await component.client.subscribe("late")
        try await component.client.publish(
            "storage.t.api", headers: ["Storage-Timeout": "3000"], payload: Array(get.utf8), reply: "late")
        // Of two on one subscription the first has the room.
        let refused = try await component.ask("api", get)
        let late = try #require(try await answers.next(timeout: .seconds(30)))
        func ask(_ payload: String, _ headers: NATSHeaders = [:]) async throws -> [UInt8] {
            while true {
                let reply = try await component.ask("api", payload, headers)
                if reply.status != 503 { return reply.body }
            }
        }
        let soon = try await ask(get, ["Storage-Timeout": "soon"])
        let empty = try await ask(#"{"action":"put","key":"k"}"#)
        let answered = try [refused.body, late.payload, soon, empty].map { try json($0) }
        #expect(answered.map { $0["code"] as? String } == ["unavailable", "timeout", "invalid", "invalid"])
        for answer in answered { #expect(answer["success"] as? Bool == false && answer["error"] is String) }
        #expect(refused.status == 503 && late.headers.first("Nats-Service-Error-Code") == "408")
        for (code, key) in [("timeout", ""), ("invalid", ""), ("invalid", "k")] {
            let failed = try await events.nextJSON()
            #expect(failed["operation"] as? String == "api" && failed["key"] as? String == key)
            #expect((failed["error"] as? [String: String])?["code"] == code)
        }
        try await component.stop()
    }

    @Test func apiKeepsDataAsItIs() async throws {
        let component = try await Component()
        func ask(_ payload: String) async throws -> String {
            String(decoding: try await component.ask("api", payload).body, as: UTF8.self)
        }
        for data in [
            "12345678901234567890", "1.0", #"{"a":1,"a":2}"#, #"{"b":1, "a":[ 0.10, 123456789012345678901234567890 ]}"#,
            "null", #""\u00e9\/""#, "true",
        ] {
            _ = try await ask(#"{"action":"put","key":"k","data":\#(data)}"#)
            #expect(try await component.store.bytes("k") == Array(data.utf8))
            #expect(try await ask(#"{"action":"get","key":"k"}"#).contains(#""data":\#(data),"#), "\(data)")
        }
        let others: [[UInt8]] = [Array("[1,]".utf8), [0xef, 0xbb, 0xbf, 0x31], [0x31, 0], Array("01".utf8), []]
        for bytes in others {
            try await component.store.put("k", ObjectBody(bytes))
            let got = try json(await component.ask("api", #"{"action":"get","key":"k"}"#).body)
            #expect(got["data"] == nil && got["data_base64"] as? String == Data(bytes).base64EncodedString())
        }
        #expect(try await component.ask("api", #"{"action":"store","data":[1,]}"#).status == 400)
        #expect(try await component.ask("api", #"{"action":"store"}"#).status == 400)
        try await component.stop()
    }

    @Test(arguments: ServerFlavor.allCases)
    func api(_ flavor: ServerFlavor) async throws {
        let component = try await Component(flavor)
        let stored = try json(await component.ask("api", #"{"action":"store","data":{"a":[1,"x"]}}"#).body)
        let key = try #require(stored["key"] as? String)
        let got = try json(await component.ask("api", #"{"action":"get","key":"\#(key)"}"#).body)
        #expect(got["success"] as? Bool == true)
        #expect((got["data"] as? [String: Any])?["a"] as? [AnyHashable] == [1, "x"])
        _ = try await component.ask("api", #"{"action":"put","key":"bin","data_base64":"//4="}"#)
        let binary = try json(await component.ask("api", #"{"action":"get","key":"bin"}"#).body)
        #expect(binary["data_base64"] as? String == "//4=")
        let list = try json(await component.ask("api", #"{"action":"list","prefix":"b"}"#).body)
        #expect(list["keys"] as? [String] == ["bin"])
        let tops = try json(await component.ask("api", #"{"action":"list","delimiter":"/"}"#).body)
        #expect(tops["keys"] as? [String] == ["bin"] && tops["prefixes"] as? [String] == ["message/"])
        let deleted = try json(await component.ask("api", #"{"action":"delete","key":"bin"}"#).body)
        #expect(deleted["deleted"] as? Bool == true)
        let missing = try json(await component.ask("api", #"{"action":"info","key":"bin"}"#).body)
        #expect(missing["success"] as? Bool == false && missing["code"] as? String == "not_found")
        try await component.stop()
    }

    @Test func discovery() async throws {
        let component = try await Component()
        _ = try await component.ask("get", "none")
        let ping = try json(await component.ask(subject: "$SRV.PING", [], [:]).body)
        #expect(ping["name"] as? String == "storage-t")
        #expect(ping["type"] as? String == "io.nats.micro.v1.ping_response")
        let info = try json(await component.ask(subject: "$SRV.INFO.storage-t", [], [:]).body)
        #expect((info["endpoints"] as? [[String: Any]])?.count == 7)
        let id = try #require(ping["id"] as? String)
        let stats = try json(await component.ask(subject: "$SRV.STATS.storage-t.\(id)", [], [:]).body)
        let get = (stats["endpoints"] as? [[String: Any]])?.first { $0["name"] as? String == "get" }
        #expect(get?["num_requests"] as? Int == 1 && get?["num_errors"] as? Int == 1)
        try await component.stop()
    }
}
