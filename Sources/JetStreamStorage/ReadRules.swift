import NATS
import Storage
import Synchronization

/// Who may answer a read of a bucket, as far as is known: its owner may change the stream, and anybody may mirror it.
final class ReadRules: Sendable {
    private struct State {
        /// Whether the stream answers direct gets at all.
        var allowsDirect: Bool
        var isReplicated: Bool
        /// Whether another stream copies this one, and answers direct gets in its place.
        var isMirrored = false
        /// When it was last asked whether direct gets are answered at all.
        var asked: ContinuousClock.Instant?
    }

    /// Whether a read may be late where that is faster.
    let anyReplica: Bool
    private let state: Mutex<State>

    init(_ settings: StreamConfiguration, anyReplica: Bool) {
        self.anyReplica = anyReplica
        state = Mutex(State(allowsDirect: settings.answersDirect, isReplicated: settings.isReplicated))
    }

    /// Whether what never changes may be read directly.
    var allowsDirect: Bool { state.withLock { $0.allowsDirect } }

    /// Whether what is newest may be read directly; a single replica is its own leader.
    var readsDirect: Bool {
        state.withLock { $0.allowsDirect && (anyReplica || !$0.isReplicated && !$0.isMirrored) }
    }

    /// Whether a mirror would matter: of a replicated stream the leader is asked anyway.
    var dependsOnMirrors: Bool { state.withLock { $0.allowsDirect && !anyReplica && !$0.isReplicated } }

    /// What the server says of the stream now.
    func update(_ settings: StreamConfiguration) {
        state.withLock { state in
            state.allowsDirect = settings.answersDirect
            state.isReplicated = settings.isReplicated
        }
    }

    /// True once in a second, and only where there is something to ask.
    var mustAsk: Bool {
        state.withLock { state in
            guard state.allowsDirect, state.asked.map({ $0 + .seconds(1) < .now }) ?? true else { return false }
            state.asked = .now
            return true
        }
    }

    func update(isMirrored: Bool) { state.withLock { $0.isMirrored = isMirrored } }
}

extension StreamConfiguration {
    fileprivate var answersDirect: Bool { allowDirect ?? false }
    fileprivate var isReplicated: Bool { (replicas ?? 1) > 1 }
}

extension Bucket {
    /// What the server says of the stream.
    func streamInfo(subjectsFilter: String? = nil) async throws(StorageError) -> StreamInfo {
        let info = try await mapped(name) { () async throws(NATSError) in
            try await control.streamInfo(format.stream, subjectsFilter: subjectsFilter)
        }
        rules.update(info.config)
        return info
    }

    /// Looks whether the bucket has mirrors. Nothing but a list of all streams names them; where the server does not give
    /// that, the first answer of a mirror tells.
    func lookForMirrors() async {
        guard rules.dependsOnMirrors else { return }
        if let mirrors = try? await control.mirrors(of: format.stream) { rules.update(isMirrored: !mirrors.isEmpty) }
    }

    /// What was asked for; asked anew at the stream's leader where nobody takes direct gets, or a mirror took it, which may
    /// be late.
    func answer(
        _ pending: PendingMessage, _ selector: @autoclosure () -> JetStream.MessageSelector
    ) async throws(NATSError) -> StoredMessage? {
        do throws(NATSError) {
            let message = try await pending.value()
            guard !rules.anyReplica, let stream = message?.answeringStream, stream != format.stream else {
                return message
            }
            rules.update(isMirrored: true)
        } catch {
            guard await mayAskOtherwise(error) else { throw error }
        }
        return try await control.message(format.stream, selector(), direct: false)
    }

    /// Whether asking again may help where nobody took a direct get: the stream may answer none any more.
    func mayAskOtherwise(_ error: NATSError) async -> Bool {
        guard error.code == .noResponders else { return false }
        // Not for each of those that fail where the server is away: that may take as long as a request.
        if rules.mustAsk { _ = try? await streamInfo() }
        return !rules.allowsDirect
    }
}
