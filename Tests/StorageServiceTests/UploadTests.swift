import Foundation
import NATS
import Storage
import StorageLayers
import StorageService
import TestSupport
import Testing

/// Uploads that are in a hurry, late, large, or in one another's way.
@Suite struct UploadTests {
    private func open(
        _ component: Component, _ key: String, _ headers: NATSHeaders = [:]
    ) async throws -> (subject: String, answer: [String: Any]) {
        var headers = headers
        headers.set("Storage-Key", key)
        let answer = try json(await component.ask("upload", "", headers).body)
        return (try (answer["part_subject"] as? String).orThrow("no part subject"), answer)
    }

    private func part(
        _ component: Component, _ subject: String, _ number: Int, _ bytes: [UInt8] = [1], _ headers: NATSHeaders = [:]
    ) async throws -> Int {
        var headers = headers
        headers.set("Storage-Part", String(number))
        return try await component.ask(subject: subject, bytes, headers).status
    }

    private func commit(
        _ component: Component, _ subject: String, _ digest: String = "-", _ headers: NATSHeaders = [:]
    ) async throws -> (status: Int, headers: NATSHeaders, body: [UInt8]) {
        var headers = headers
        headers.set("Storage-Commit", digest)
        return try await component.ask(subject: subject, [], headers)
    }

    @Test(arguments: ServerFlavor.allCases)
    func aStopAnswersPartsThatWait(_ flavor: ServerFlavor) async throws {
        let component = try await Component(flavor) { $0.uploadGrace = .milliseconds(500) }
        let subject = try await open(component, "gap").subject
        let answers = try await component.client.subscribe("answers")
        try await component.client.publish(subject, headers: ["Storage-Part": "2"], payload: [2], reply: "answers")
        // Answered after the other came.
        #expect(try await part(component, subject, -1) == 400)
        async let stopping: Void = component.stopServing()
        let answer = try #require(try await answers.next(timeout: .seconds(30)))
        #expect(answer.headers.first("Nats-Service-Error-Code") == "503")
        try await stopping
        #expect(try await component.store.list(ListQuery()).keys.isEmpty)
        try await component.stop()
    }

    /// The other one takes all that is new.
    @Test(arguments: ServerFlavor.allCases)
    func anUploadGoesOnAfterAStopBegan(_ flavor: ServerFlavor) async throws {
        let component = try await Component(flavor) { $0.uploadGrace = .seconds(600) }
        let subject = try await open(component, "slow").subject
        #expect(try await part(component, subject, 1) == 200)
        let other = try await Component(on: component.server)
        async let stopping: Void = component.stopServing()
        // So many come to the other one by chance only when both take turns.
        var round = 0
        try await eventually("the one that stops takes what is new") {
            round += 1
            for number in 0..<20 {
                _ = try await component.ask("put", "x", ["Storage-Key": "round \(round)/\(number)"])
            }
            return try await other.store.list(ListQuery(prefix: "round \(round)/")).keys.count == 20
        }
        for number in 2...5 {
            try await Task.sleep(for: .milliseconds(200))
            #expect(try await part(component, subject, number) == 200)
            #expect(try await component.ask("put", "x", ["Storage-Key": "k\(number)"]).status == 200)
        }
        #expect(try json(await commit(component, subject).body)["size"] as? Int == 5)
        try await stopping
        #expect(try await component.store.bytes("slow").count == 5)
        #expect(try await other.store.list(ListQuery(prefix: "k")).keys == ["k2", "k3", "k4", "k5"])
        try await other.stop()
        try await component.stop()
    }

    @Test func aStopDoesNotWaitForUploadsThatAreSilent() async throws {
        let component = try await Component {
            $0.limits.uploadIdle = .seconds(3)
            $0.uploadGrace = .seconds(600)
        }
        let subject = try await open(component, "silent").subject
        #expect(try await part(component, subject, 1) == 200)
        let begin = ContinuousClock.now
        try await component.stopServing()
        #expect(ContinuousClock.now - begin < .seconds(120))
        #expect(try await component.store.list(ListQuery()).keys.isEmpty)
        try await component.stop()
    }

    @Test func aPartThatWaitsEndsWithItsTime() async throws {
        let component = try await Component()
        let subject = try await open(component, "k").subject
        #expect(try await part(component, subject, 2, [2], ["Storage-Timeout": "50"]) == 408)
        #expect(try await part(component, subject, 1) == 200)
        #expect(try await part(component, subject, 2) == 200)
        #expect(try json(await commit(component, subject).body)["size"] as? Int == 2)
        try await component.stop()
    }

    /// Sent one behind the other, nobody waiting for an answer.
    @Test func aCommitOvertakesNoPart() async throws {
        let component = try await Component()
        for round in 0..<50 {
            let subject = try await open(component, "k\(round)").subject
            for number in 1...8 {
                try await component.client.publish(
                    subject, headers: ["Storage-Part": String(number)], payload: [UInt8](repeating: 1, count: 100),
                    reply: "nobody")
            }
            let done = try await commit(component, subject)
            #expect(done.status == 200)
            #expect(try json(done.body)["size"] as? Int == 800)
        }
        try await component.stop()
    }

    @Test func aCommitThatIsTooLateStoresNothing() async throws {
        let store = GetStore(beforePut: { try? await Task.sleep(for: .seconds(1)) })
        let component = try await Component(store: store)
        let events = try await component.client.subscribe("storage.t.events")
        let subject = try await open(component, "late").subject
        #expect(try await commit(component, subject, "-", ["Storage-Timeout": "50"]).status == 408)
        // Answered when the put has ended.
        #expect(try await commit(component, subject).status == 408)
        #expect(try await component.ask("info", "late").status == 404)
        let failed = try await events.nextJSON()
        #expect(failed["type"] as? String == "failed" && failed["key"] as? String == "late")
        #expect(try await events.nextJSON()["operation"] as? String == "info")
        _ = try await component.ask("put", "x", ["Storage-Key": "next"])
        #expect(try await events.nextJSON()["key"] as? String == "next")
        try await component.stop()
    }

    @Test func eachFailureIsToldOnce() async throws {
        let component = try await Component()
        let events = try await component.client.subscribe("storage.t.events")
        let subject = try await open(component, "wrong").subject
        #expect(try await part(component, subject, 0) == 400)
        #expect(try await part(component, subject, 1) == 200)
        let digest = Digest(of: [2]).description
        for _ in 0..<2 { #expect(try await commit(component, subject, digest).status == 422) }
        #expect(try await part(component, subject, 2) == 422)
        _ = try await component.ask("put", "x", ["Storage-Key": "next"])
        for code in ["invalid", "digest_mismatch"] {
            let failed = try await events.nextJSON()
            #expect(failed["operation"] as? String == "upload" && failed["key"] as? String == "wrong")
            #expect((failed["error"] as? [String: String])?["code"] == code)
        }
        #expect(try await events.nextJSON()["type"] as? String == "stored")
        try await component.stop()
    }

    @Test func aCommitThatComesAgainHasToAskForTheSame() async throws {
        let component = try await Component()
        let subject = try await open(component, "k").subject
        #expect(try await part(component, subject, 1) == 200)
        let done = try await commit(component, subject)
        #expect(done.status == 200)
        #expect(try await commit(component, subject, Digest(of: [1]).description).body == done.body)
        #expect(try await commit(component, subject, Digest(of: [2]).description).status == 422)
        try await component.stop()
    }

    @Test func partsOverTheirLimitAreRefused() async throws {
        let component = try await Component(server: "max_payload: 4MB")
        let (subject, answer) = try await open(component, "k")
        let limit = try #require(answer["max_part_size"] as? Int)
        let large = [UInt8](repeating: 0, count: limit + 1)
        #expect(limit == 1 << 20)
        #expect(try await part(component, subject, 1, large) == 413)
        #expect(try await commit(component, subject).status == 400)
        #expect(try await part(component, subject, 1, Array(large.dropLast())) == 200)
        #expect(try json(await commit(component, subject).body)["size"] as? Int == limit)
        try await component.stop()
    }

    @Test func whoWaitsIsNotSilent() async throws {
        let store = GetStore(beforePut: { try? await Task.sleep(for: .seconds(8)) })
        let component = try await Component(store: store) { $0.limits.uploadIdle = .seconds(3) }
        let subject = try await open(component, "k").subject
        #expect(try await part(component, subject, 1) == 200)
        #expect(try await commit(component, subject).status == 200)
        try await component.stop()
    }

    @Test func uploadsAndPutsTellTheirOrder() async throws {
        let component = try await Component()
        let events = try await component.client.subscribe("storage.t.events")
        for round in 0..<40 {
            let key = "k\(round)"
            var uploads: [String] = []
            for _ in 0..<3 { uploads.append(try await open(component, key).subject) }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for subject in uploads { group.addTask { _ = try await commit(component, subject) } }
                for _ in 0..<3 {
                    group.addTask { _ = try await component.ask("put", "x", ["Storage-Key": key]) }
                }
                try await group.waitForAll()
            }
            var versions: [Int] = []
            for _ in 0..<6 { versions.append(Int(try await events.nextJSON()["version"] as? String ?? "") ?? 0) }
            #expect(versions == versions.sorted())
        }
        try await component.stop()
    }

    /// The upload has the permit that the put waits for, and the put has its turn at the key.
    @Test func anUploadAndAPutComeOutOfOneAnothersWay() async throws {
        let store = LimitedStore(MemoryStore(), maxConcurrent: 1)
        let component = try await Component(store: store)
        let subject = try await open(component, "k").subject
        #expect(try await part(component, subject, 1) == 200)
        async let put = component.ask("put", "x", ["Storage-Key": "k"])
        try await eventually("the put does not begin") { store.waiting > 0 }
        #expect(try await commit(component, subject).status == 200)
        #expect(try await put.status == 200)
        try await component.stop()
    }
}
