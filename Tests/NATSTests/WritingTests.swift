import Foundation
import NATS
import Synchronization
import TestSupport
import Testing
import Waiting

/// What is published together goes out together, all of it, and to nobody's harm.
@Suite struct WritingTests {
    @Test(arguments: ServerFlavor.allCases, [false, true])
    func eachSendersMessagesStayInOrder(_ flavor: ServerFlavor, _ isBulk: Bool) async throws {
        let server = try await NATSServer(flavor)
        let (sender, receiver) = (try await connect(server) { $0.isBulk = isBulk }, try await connect(server))
        let (senders, count) = (8, 2000)
        let subscription = try await receiver.subscribe("s.*", capacity: senders * count)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for name in 0..<senders {
                group.addTask {
                    for number in 0..<count { try await sender.publish("s.\(name)", payload: Array("\(number)".utf8)) }
                }
            }
            try await group.waitForAll()
        }
        var numbers: [String: Int] = [:]
        for _ in 0..<(senders * count) {
            let message = try #require(try await subscription.next(timeout: .seconds(30)))
            #expect(String(decoding: message.payload, as: UTF8.self) == "\(numbers[message.subject, default: 0])")
            numbers[message.subject, default: 0] += 1
        }
        #expect(numbers.count == senders)
        await sender.close()
        await receiver.close()
    }

    @Test(arguments: ServerFlavor.allCases, [false, true])
    func aStalledServerIsCutOff(_ flavor: ServerFlavor, _ isBulk: Bool) async throws {
        let server = try await NATSServer(flavor)
        let connection = try await connect(server) {
            $0.isBulk = isBulk
            $0.writeDeadline = .milliseconds(300)
        }
        let states = connection.stateChanges()
        server.signal(SIGSTOP)
        let publishing = Task {
            let payload = [UInt8](repeating: 7, count: 1 << 20)
            while !Task.isCancelled { try? await connection.publish("s", payload: payload) }
        }
        for await state in states where state == .reconnecting { break }
        server.signal(SIGCONT)
        publishing.cancel()
        try await eventually { connection.state == .connected }
        await publishing.value
        try await connection.flush(timeout: .seconds(30))
        await connection.close()
    }

    @Test(arguments: ServerFlavor.allCases)
    func whatAStalledServerIsSentHasABound(_ flavor: ServerFlavor) async throws {
        let server = try await NATSServer(flavor)
        let connection = try await connect(server) { $0.writeDeadline = .seconds(600) }
        server.signal(SIGSTOP)
        let payload = [UInt8](repeating: 7, count: 16 << 10)
        var taken = 0
        do {
            while taken < 1 << 28 {
                try await connection.publish("s", payload: payload)
                taken += payload.count
            }
        } catch {
            #expect(error.code == .disconnected, "\(error)")
        }
        #expect((1..<(1 << 28)).contains(taken))
        server.signal(SIGCONT)
        try await connection.flush(timeout: .seconds(60))
        try await connection.publish("s", payload: payload)
        await connection.close()
    }

    @Test(arguments: ServerFlavor.allCases)
    func closedConnectionsLeaveNothingOpen(_ flavor: ServerFlavor) async throws {
        let server = try await NATSServer(flavor)
        let before = try Self.signals()
        for number in 0..<20 {
            let connection = try await connect(server)
            try await connection.publish("s")
            if number.isMultiple(of: 2) { await connection.close() }
        }
        for _ in 0..<5 {
            await expect(.connectionFailed) { _ = try await connect(server) { $0.urls = ["nats://127.0.0.1:1"] } }
        }
        try await eventually { try Self.signals() <= before }
    }

    /// How many event descriptors the process has.
    private static func signals() throws -> Int {
        let folder = "/proc/self/fd"
        return try FileManager.default.contentsOfDirectory(atPath: folder).count {
            let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\($0)")
            return target?.contains("eventfd") == true
        }
    }

    /// A handler that never ends, and always has something to do, runs elsewhere after a while.
    @Test func aBusyHandlerHoldsUpNobody() async throws {
        let server = try await NATSServer(.newest)
        let connection = try await connect(server)
        let handlers = Handlers()
        let subscription = try await connection.subscribe("s") { _ in handlers.start() }
        for count in 1...2 {
            try await connection.publish("s")
            try await eventually { handlers.tasks.count == count }
        }
        await handlers.finish()
        await subscription.unsubscribe()
        await connection.close()
    }

    private final class Handlers: Sendable {
        private let state = Mutex((tasks: [Task<Void, Never>](), isOver: false))

        var tasks: [Task<Void, Never>] { state.withLock { $0.tasks } }

        func start() {
            state.withLock { state in
                let task = Task(executorPreference: DeliveryExecutor.shared) {
                    while !self.state.withLock({ $0.isOver }) { await Task.yield() }
                }
                state.tasks.append(task)
            }
        }

        func finish() async {
            state.withLock { $0.isOver = true }
            for task in tasks { await task.value }
        }
    }
}
