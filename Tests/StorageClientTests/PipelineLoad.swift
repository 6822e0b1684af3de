import Foundation
import NATS
import Synchronization
import TestSupport

/// A producer that publishes so many messages a second into a stream, each until it is acknowledged.
final class Producer: Sendable {
    private struct State {
        var acknowledged: Set<Int> = []
        var sent = 0
        var isOver = false
    }

    private let state = Mutex(State())
    private let stream: JetStream
    private let perSecond: Int

    init(_ connection: NATSConnection, perSecond: Int) {
        stream = JetStream(connection, timeout: .seconds(2))
        self.perSecond = perSecond
    }

    /// Those that the stream has for sure.
    var acknowledged: Set<Int> { state.withLock { $0.acknowledged } }
    var sent: Int { state.withLock { $0.sent } }

    func stop() { state.withLock { $0.isOver = true } }

    /// The content of message `number`: its number, and bytes that only it has.
    static func payload(_ number: Int) -> [UInt8] {
        Array("\(number):".utf8) + (0..<1000).map { UInt8(truncatingIfNeeded: number &+ $0 &* $0) }
    }

    /// Publishes until ``stop()``, and until the last message is acknowledged.
    func run() async {
        let begin = ContinuousClock.now
        await withDiscardingTaskGroup { group in
            while !state.withLock({ $0.isOver }) {
                let due = Int((ContinuousClock.now - begin) / .milliseconds(1)) * perSecond / 1000
                while sent < due {
                    let number = state.withLock { state in
                        state.sent += 1
                        return state.sent
                    }
                    group.addTask { await self.publish(number) }
                }
                try? await Task.sleep(for: .milliseconds(5))
            }
        }
    }

    private func publish(_ number: Int) async {
        let payload = Self.payload(number)
        // Some elections are repeated, and nobody takes anything meanwhile.
        let deadline = ContinuousClock.now + .seconds(180)
        while .now < deadline {
            do throws(NATSError) {
                _ = try await stream.publish(
                    "in.\(number % 10)", headers: ["Nats-Msg-Id": "m\(number)"], payload: payload)
                return state.withLock { _ = $0.acknowledged.insert(number) }
            } catch {
                try? await Task.sleep(for: .milliseconds(100))
            }
        }
    }
}

/// Asks the component all the time, and keeps when it was not answered.
final class Asker: Sendable {
    struct Silence: Sendable {
        let begin: ContinuousClock.Instant
        let end: ContinuousClock.Instant
    }

    private struct State {
        var answered = 0
        var failures: [String: Int] = [:]
        var silences: [Silence] = []
        var isOver = false
    }

    /// The component's deadline begins when the request reaches it, and its answer has to come back.
    private static let slack: Duration = .seconds(3)

    private let state = Mutex(State())
    private let connection: NATSConnection
    private let instance: String
    private let deadline: Duration

    /// - Parameter deadline: how long the component may take for each answer.
    init(_ connection: NATSConnection, instance: String, deadline: Duration) {
        self.connection = connection
        self.instance = instance
        self.deadline = deadline
    }

    var answered: Int { state.withLock { $0.answered } }
    /// Answers that tell of an error, and failures to ask, by what they say.
    var failures: [String: Int] { state.withLock { $0.failures } }
    var silences: [Silence] { state.withLock { $0.silences } }

    func stop() { state.withLock { $0.isOver = true } }

    /// Puts and gets, one after the other, until ``stop()``.
    func run(_ name: String, pause: Duration = .milliseconds(20)) async {
        var round = 0
        while !state.withLock({ $0.isOver }) {
            round += 1
            await ask(
                "put", ["Storage-Key": "asked/\(name)/\(round % 100)"], Array("\(round)".utf8), allowed: [])
            await ask("get", ["Storage-Key": "asked/\(name)/\(round % 100)"], [], allowed: ["404"])
            if pause > .zero { try? await Task.sleep(for: pause) }
        }
    }

    private func ask(_ port: String, _ headers: NATSHeaders, _ payload: [UInt8], allowed: Set<String>) async {
        var headers = headers
        headers.set("Storage-Timeout", String(Int(deadline / .milliseconds(1))))
        let begin = ContinuousClock.now
        let outcome: String?
        do throws(NATSError) {
            let reply = try await connection.request(
                "storage.\(instance).\(port)", headers: headers, payload: payload,
                timeout: deadline + Self.slack)
            outcome = reply.headers.first("Nats-Service-Error-Code") ?? "200"
        } catch {
            // The server itself answers that nobody listens.
            outcome = error.code == .timeout ? nil : "\(error.code)"
        }
        let end = ContinuousClock.now
        state.withLock { state in
            guard let outcome else { return state.silences.append(Silence(begin: begin, end: end)) }
            state.answered += 1
            if outcome != "200", !allowed.contains(outcome) { state.failures[outcome, default: 0] += 1 }
        }
    }
}
