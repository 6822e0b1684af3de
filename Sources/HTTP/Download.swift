import Synchronization
import Waiting

/// A response between the driver's thread, which fills it, and one reading task.
final class Download: Sendable {
    typealias HeadOutcome = Result<ResponseHead, HTTPError>
    typealias PieceOutcome = Result<Piece, HTTPError>

    /// What a reader gets.
    struct Piece: Sendable {
        /// Nil at the end.
        var bytes: [UInt8]?
        /// Whether the driver has to go on receiving.
        var unpauses = false
    }

    /// What became of received bytes.
    enum Taken {
        case all, none
        case refused
    }

    private struct State {
        var parser = HeadParser()
        var buffer: [UInt8] = []
        var isPaused = false
        var end: Result<Void, HTTPError>?
        var headWaiter: UnsafeContinuation<HeadOutcome, Never>?
        var pieceWaiter: UnsafeContinuation<PieceOutcome, Never>?
    }

    /// What is done with so many bytes takes little time.
    private static let small = 16 << 10

    private let capacity: Int
    private let state = Mutex(State())

    init(capacity: Int) {
        self.capacity = capacity
    }

    // MARK: The driver's side

    /// Takes one header line; false ends the transfer.
    func header(_ line: UnsafeRawBufferPointer) -> Bool {
        let (goesOn, waiter, head) = state.withLock { state in
            guard state.end == nil, state.parser.add(line) else { return (false, nil as Waiter?, nil as ResponseHead?) }
            defer { if state.parser.head != nil { state.headWaiter = nil } }
            return (true, state.headWaiter, state.parser.head)
        }
        if let head, let waiter { Burst.wake(here: true) { waiter.resume(returning: .success(head)) } }
        return goesOn
    }

    private typealias Waiter = UnsafeContinuation<HeadOutcome, Never>

    /// Takes body bytes, unless a slow reader left no room.
    func write(_ bytes: UnsafeRawBufferPointer) -> Taken {
        let (taken, waiter) = state.withLock { state -> (Taken, UnsafeContinuation<PieceOutcome, Never>?) in
            guard state.end == nil else { return (.refused, nil) }
            if let waiter = state.pieceWaiter {
                state.pieceWaiter = nil
                return (.all, waiter)
            }
            guard state.buffer.count < capacity else {
                state.isPaused = true
                return (.none, nil)
            }
            state.buffer.append(contentsOf: bytes)
            return (.all, nil)
        }
        if let waiter {
            Burst.wake(here: bytes.count <= Self.small) {
                waiter.resume(returning: .success(Piece(bytes: Array(bytes))))
            }
        }
        return taken
    }

    /// Nothing more comes. The first end counts; false where there was one.
    @discardableResult
    func finish(_ end: Result<Void, HTTPError>, request: HTTPRequest) -> Bool {
        let effects = state.withLock { state -> State? in
            guard state.end == nil else { return nil }
            state.end = end
            defer { (state.headWaiter, state.pieceWaiter) = (nil, nil) }
            return state
        }
        guard let effects else { return false }
        Burst.wake(here: true) {
            effects.headWaiter?.resume(
                returning: end.flatMap {
                    .failure(
                        HTTPError(
                            .broken, .ifIdempotent, "\(request.summary): the connection ended without an answer"))
                })
            effects.pieceWaiter?.resume(returning: end.map { Piece(bytes: nil) })
        }
        return true
    }

    // MARK: The reader's side

    /// Whether nothing more comes.
    var isOver: Bool { state.withLock { $0.end != nil } }

    /// Waits for status and headers.
    func head(request: HTTPRequest) async -> HeadOutcome {
        await withUnsafeContinuation { continuation in
            let outcome = state.withLock { state -> HeadOutcome? in
                if let head = state.parser.head { return .success(head) }
                if let end = state.end {
                    return end.flatMap {
                        .failure(HTTPError(.broken, .ifIdempotent, "\(request.summary): there is no answer"))
                    }
                }
                state.headWaiter = continuation
                return nil
            }
            if let outcome { continuation.resume(returning: outcome) }
        }
    }

    /// Waits for bytes, or the end.
    func next() async -> PieceOutcome {
        await withUnsafeContinuation { continuation in
            if let outcome = state.withLock({ Self.take(&$0, continuation) }) {
                continuation.resume(returning: outcome)
            }
        }
    }

    private static func take(
        _ state: inout State, _ continuation: UnsafeContinuation<PieceOutcome, Never>
    ) -> PieceOutcome? {
        if case .failure(let error)? = state.end, error.reason == .cancelled { return .failure(error) }
        if !state.buffer.isEmpty {
            defer { (state.buffer, state.isPaused) = ([], false) }
            return .success(Piece(bytes: state.buffer, unpauses: state.isPaused))
        }
        if let end = state.end { return end.map { Piece(bytes: nil) } }
        guard state.pieceWaiter == nil else {
            return .failure(HTTPError(.invalidRequest, .never, "a response's body has one reader"))
        }
        state.pieceWaiter = continuation
        return nil
    }
}
