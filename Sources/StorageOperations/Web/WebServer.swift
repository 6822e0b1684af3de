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
        /// What is answered however many connections there are: who asks whether the process lives gets no other answer
        /// since others ask nothing.
        var vitalPath = "/healthz"
        /// So many more connections, for that path alone: one more ends the oldest that has not asked yet.
        var spares = 8
        /// How long a request may take to come in there.
        var spareTimeout: Duration = .seconds(1)
    }

    /// What a connection may be for.
    private enum Place {
        case usual, spare
    }

    private struct State {
        var figures = Figures()
        /// The spare connections that have not asked yet, the oldest first, and how many are being answered.
        var silent: [Socket] = []
        var answered = 0
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
    private let state = Mutex(State())
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
        threads = try IOThreads(count: limits.maxConnections + 2 * limits.spares + 1)
        wake = try WakePipe()
    }

    /// The port listened on.
    var port: UInt16 { listener.port }

    var figures: Figures { state.withLock { $0.figures } }

    /// Serves until the task is cancelled; connections end then.
    func run() async {
        await withTaskCancellationHandler {
            await withDiscardingTaskGroup { group in
                while !Task.isCancelled {
                    for connection in await accepted() {
                        let place = begin(connection)
                        group.addTask {
                            switch place {
                            case .usual: await self.serve(connection)
                            case .spare: await self.serveSpare(connection)
                            }
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

    private func begin(_ connection: Socket) -> Place {
        let (place, late) = state.withLock { state -> (Place, Socket?) in
            if state.figures.connections < limits.maxConnections {
                state.figures.connections += 1
                return (.usual, nil)
            }
            state.silent.append(connection)
            guard state.silent.count > limits.spares else { return (.spare, nil) }
            state.figures.refused += 1
            return (.spare, state.silent.removeFirst())
        }
        late?.end()
        return place
    }

    private func serve(_ connection: Socket) async {
        if let head = await head(connection, within: limits.requestTimeout) {
            await answer(head, connection, handler)
            await finish(connection, within: .seconds(1))
        }
        state.withLock { $0.figures.connections -= 1 }
    }

    /// Answers what is asked of the process' life, and that there are too many connections for the rest.
    private func serveSpare(_ connection: Socket) async {
        let head = await head(connection, within: limits.spareTimeout)
        let mayAsk = state.withLock { state in
            // Not there any more: another one has its place.
            guard let index = state.silent.firstIndex(where: { $0 === connection }) else { return false }
            state.silent.remove(at: index)
            guard head != nil, state.answered < limits.spares else { return false }
            state.answered += 1
            return true
        }
        guard mayAsk, let head else { return }
        await answer(head, connection) { [self] request in
            if request.path == limits.vitalPath { return await handler(request) }
            state.withLock { $0.figures.refused += 1 }
            return .text("too many connections; try again later\n", status: 503)
        }
        await finish(connection, within: .milliseconds(100))
        state.withLock { $0.answered -= 1 }
    }

    private func answer(
        _ head: Result<WebRequest, WebRequest.Refusal>, _ connection: Socket, _ handler: Handler
    ) async {
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
    }

    private func finish(_ connection: Socket, within limit: Duration) async {
        let linger = min(limits.writeTimeout, limit)
        await wait { [wake] in connection.finish(until: .now + linger, or: wake.readEnd) }
    }

    /// Nil where the peer left without asking for anything.
    private func head(_ connection: Socket, within limit: Duration) async -> Result<WebRequest, WebRequest.Refusal>? {
        let deadline = ContinuousClock.now + limit
        switch await wait({ [wake] in Self.readHead(connection, until: deadline, or: wake.readEnd) }) ?? nil {
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
        _ connection: Socket, until deadline: ContinuousClock.Instant, or wake: Int32
    ) -> Result<[UInt8], WebRequest.Refusal>? {
        var head: [UInt8] = []
        while true {
            if let end = head.endOfHead { return .success(Array(head[..<end])) }
            if head.count > WebRequest.maxHead { return .failure(.init(status: 431)) }
            guard let bytes = connection.read(4096, until: deadline, or: wake) else {
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
