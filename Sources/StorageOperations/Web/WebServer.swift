import Dispatch
import Glibc
import Logging
import Storage
import Synchronization

/// A small HTTP/1.1 server: GET and HEAD, one request for each connection, and a bound on everything that a peer can take.
///
/// Whoever is slow loses his connection: there are deadlines for sending a request and for taking each part of a reply.
final class WebServer: Sendable {
    struct Limits: Sendable {
        var maxConnections = 64
        /// How long a request may take to come in.
        var requestTimeout: Duration = .seconds(5)
        /// How long a peer may take to receive a reply, or each part of one that goes on.
        var writeTimeout: Duration = .seconds(5)
    }

    struct Figures: Sendable {
        var connections = 0
        var refused = 0
    }

    typealias Handler = @Sendable (WebRequest) async -> WebResponse

    private let limits: Limits
    private let logger: Logger
    private let listener: Socket
    private let threads: IOThreads
    private let handler: Handler
    private let observe: @Sendable (_ path: String, _ status: Int) -> Void
    private let state = Mutex(Figures())
    /// Readable once the server is to stop.
    private let wake: WakePipe

    /// Listens; connections are served once ``run()`` does.
    ///
    /// - Parameter observe: told of each answer.
    /// - Throws: `unavailable` where the address can't be listened on.
    init(
        _ address: ListenAddress, limits: Limits = Limits(), logger: Logger,
        observe: @escaping @Sendable (_ path: String, _ status: Int) -> Void = { _, _ in }, handler: @escaping Handler
    ) throws(StorageError) {
        self.limits = limits
        self.logger = logger
        self.handler = handler
        self.observe = observe
        listener = try Socket.listening(on: address)
        // One for each connection, and one that waits for the next.
        threads = try IOThreads(count: limits.maxConnections + 1)
        wake = try WakePipe()
    }

    /// The port listened on.
    var port: UInt16 { listener.port }

    var figures: Figures { state.withLock { $0 } }

    /// Serves until the task is cancelled; connections end then.
    func run() async {
        await withTaskCancellationHandler {
            await withDiscardingTaskGroup { group in
                while !Task.isCancelled {
                    for connection in await accepted() {
                        guard begin() else {
                            refuse(connection)
                            continue
                        }
                        group.addTask {
                            await self.serve(connection)
                            self.state.withLock { $0.connections -= 1 }
                        }
                    }
                }
                group.cancelAll()
            }
        } onCancel: {
            wake.wake()
        }
    }

    /// Waits for connections; none where the server is to stop.
    private func accepted() async -> [Socket] {
        let (listener, wake) = (listener, wake)
        let connections = try? await threads.run { () throws(StorageError) -> [Socket] in
            listener.waitForConnection(or: wake.readEnd)
            var all: [Socket] = []
            while all.count < 16, let connection = listener.accept() { all.append(connection) }
            // Out of files: they come back in time.
            if all.isEmpty { usleep(10_000) }
            return all
        }
        return connections ?? []
    }

    private func begin() -> Bool {
        state.withLock { state in
            guard state.connections < limits.maxConnections else {
                state.refused += 1
                return false
            }
            state.connections += 1
            return true
        }
    }

    /// At once, from what room the system has for it: nobody waits for those that are too many.
    private func refuse(_ connection: Socket) {
        let response = WebResponse.text("too many connections; try again later\n", status: 503)
        if case .bytes(let body) = response.body { _ = connection.write(response.head + body, until: .now) }
    }

    private func serve(_ connection: Socket) async {
        let head = await head(connection)
        guard let head else { return }
        let response: WebResponse
        var (path, isHead) = ("", false)
        do throws(WebRequest.Refusal) {
            let request = try head.get()
            (path, isHead) = (request.path, request.isHead)
            response = await handler(request)
        } catch {
            response = WebResponse(error)
        }
        observe(path, response.status)
        logger.debug("\(path): \(response.status)")
        await send(response, isHead, connection)
        await wait { [limits] in connection.finish(until: .now + min(limits.writeTimeout, .seconds(1))) }
    }

    /// Nil where the peer left without asking for anything.
    private func head(_ connection: Socket) async -> Result<WebRequest, WebRequest.Refusal>? {
        let deadline = ContinuousClock.now + limits.requestTimeout
        switch await wait({ Self.readHead(connection, until: deadline) }) ?? nil {
        case nil: return nil
        case .failure(let refusal)?: return .failure(refusal)
        case .success(let bytes)?:
            do throws(WebRequest.Refusal) {
                return .success(try WebRequest(head: bytes))
            } catch {
                return .failure(error)
            }
        }
    }

    private static func readHead(
        _ connection: Socket, until deadline: ContinuousClock.Instant
    ) -> Result<[UInt8], WebRequest.Refusal>? {
        var head: [UInt8] = []
        while true {
            if let end = head.endOfHead { return .success(Array(head[..<end])) }
            if head.count > WebRequest.maxHead { return .failure(.init(status: 431)) }
            guard let bytes = connection.read(4096, until: deadline) else {
                return ContinuousClock.now < deadline ? nil : .failure(.init(status: 408))
            }
            if bytes.isEmpty { return head.isEmpty ? nil : .failure(.init(status: 400)) }
            head += bytes
        }
    }

    private func send(_ response: WebResponse, _ isHead: Bool, _ connection: Socket) async {
        var start = response.head
        if case .bytes(let bytes) = response.body, !isHead { start += bytes }
        guard await write(start, connection), !isHead, case .stream(let stream) = response.body else { return }
        for await chunk in stream {
            guard await write(chunk, connection) else { return }
        }
    }

    private func write(_ bytes: [UInt8], _ connection: Socket) async -> Bool {
        let deadline = ContinuousClock.now + limits.writeTimeout
        return await wait { connection.write(bytes, until: deadline) } ?? false
    }

    /// Runs what waits on a thread that may; nil where there is none.
    private func wait<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value? {
        try? await threads.run { () throws(StorageError) in body() }
    }
}

/// Ends a wait on another thread.
private final class WakePipe: Sendable {
    let readEnd: Int32
    private let writeEnd: Int32

    init() throws(StorageError) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw StorageError(.unavailable, "no more files can be opened") }
        (readEnd, writeEnd) = (ends[0], ends[1])
    }

    deinit {
        close(readEnd)
        close(writeEnd)
    }

    func wake() {
        _ = Glibc.write(writeEnd, "x", 1)
    }
}

extension [UInt8] {
    /// Behind the empty line that ends the headers.
    fileprivate var endOfHead: Int? {
        for index in indices where self[index] == UInt8(ascii: "\n") {
            if index + 1 < count, self[index + 1] == UInt8(ascii: "\n") { return index + 2 }
            if index + 2 < count, self[index + 1] == UInt8(ascii: "\r"), self[index + 2] == UInt8(ascii: "\n") {
                return index + 3
            }
        }
        return nil
    }
}
