import Logging
import Storage
import StorageWire
import Synchronization

/// The uploads of one instance: opened on the upload port, fed and ended on their part subjects.
final class Uploads: Sendable {
    private struct State {
        var uploads: [String: Upload] = [:]
        /// The puts under way.
        var puts: [String: Task<Void, Never>] = [:]
        /// Uploads whose put has ended, oldest first.
        var finished: [String] = []
        /// Until when those that are open may go on, once a stop has begun.
        var deadline: ContinuousClock.Instant?
    }

    /// How many finished uploads are remembered, for senders that ask again.
    private static let remembered = 1024

    private let context: InstanceContext
    private let partSubject: String
    private let maxPartSize: Int
    private let logger: Logger
    private let state = Mutex(State())

    init(context: InstanceContext, partSubject: String, maxPartSize: Int, logger: Logger) {
        self.context = context
        self.partSubject = partSubject
        self.maxPartSize = maxPartSize
        self.logger = logger
    }

    func open(_ request: Request) throws(StorageError) -> WireUpload {
        let options = try RequestCodec.putOptions(in: request.headers)
        let key = try key(for: request)
        try context.check(key, options.attributes)
        let id = NUID.next()
        let upload = Upload(
            key: key, maxSize: context.limits.maxObjectSize, maxPartSize: maxPartSize, locks: context.locks)
        try state.withLock { (state) throws(StorageError) in
            guard state.puts.count < context.limits.maxUploads else {
                throw StorageError(.unavailable, "too many uploads are open; try again later")
            }
            state.uploads[id] = upload
            // Lives from the opening to the commit, over many requests; `close` ends it.
            state.puts[id] = Task {
                await self.put(upload, options, request)
                self.finish(id)
            }
            context.monitor.openUploads = state.puts.count
        }
        return WireUpload(
            upload: id, partSubject: "\(partSubject).\(id)", maxPartSize: maxPartSize, window: Upload.window,
            idleSeconds: Int(idle.seconds))
    }

    private func key(for request: Request) throws(StorageError) -> ObjectKey {
        if let key = try RequestCodec.key(in: request.headers) { return key }
        guard !context.configuration.keyGenerator.needsPayload else {
            throw StorageError(
                .invalid,
                "the instance makes keys of the content, which is not there yet: name one by \(WireHeader.key)")
        }
        return try context.generatedKey(request)
    }

    private func put(_ upload: Upload, _ options: PutOptions, _ request: Request) async {
        let result: Result<ObjectInfo, StorageError>
        do throws(StorageError) {
            result = .success(try await context.store.put(upload.key, upload.body, options: options))
        } catch {
            // Of a put that was given up, the store may only say that it was cancelled.
            result = .failure(upload.failure ?? error)
        }
        await upload.end(result) { result in
            switch result {
            case .success(let info): context.events.put(info, options, request)
            case .failure(let error):
                logger.failed("upload", error, request)
                context.events.failed(error, "upload", key: upload.key.rawValue, request)
            }
        }
    }

    /// Makes room for another upload; the answer of this one is kept for a while.
    private func finish(_ id: String) {
        state.withLock { state in
            state.puts[id] = nil
            state.finished.append(id)
            if state.finished.count > Self.remembered { state.uploads[state.finished.removeFirst()] = nil }
            context.monitor.openUploads = state.puts.count
        }
    }

    func find(_ id: String) throws(StorageError) -> Upload {
        guard let upload = state.withLock({ $0.uploads[id] }) else {
            throw StorageError(.notFound, "no upload “\(id.abbreviated)” is open; it ended, or was silent for too long")
        }
        return upload
    }

    /// Ends an upload, of which nothing stays; the put that ends with it.
    @discardableResult
    func abort(_ id: String, _ error: StorageError) -> Task<Void, Never>? {
        let (upload, put) = state.withLock { ($0.uploads.removeValue(forKey: id), $0.puts[id]) }
        upload?.fail(error)
        put?.cancel()
        return put
    }

    /// Ends the put of an upload whose committer waits no longer; it is remembered.
    func giveUp(_ id: String, _ upload: Upload) {
        upload.fail(
            StorageError(
                .timeout, "the commit took longer than it was given; it was cancelled", key: upload.key.rawValue))
        state.withLock { $0.puts[id] }?.cancel()
    }

    /// Forgets uploads that have been silent for too long.
    func sweep() {
        let idle = idle
        let deadline = ContinuousClock.now - idle
        for (id, upload) in state.withLock({ $0.uploads }) where upload.isIdle(since: deadline) {
            abort(
                id, StorageError(.timeout, "the upload was silent for more than \(idle)", key: upload.key.rawValue))
        }
    }

    /// A stop has begun.
    func hurry() {
        let deadline = ContinuousClock.now + context.configuration.uploadGrace
        state.withLock { $0.deadline = deadline }
    }

    /// Returns when every upload is over, by its commit, its abort or its silence, or when it may go on no longer.
    func settle() async {
        while isGoingOn, !Task.isCancelled {
            try? await Task.sleep(for: .milliseconds(50))
            sweep()
        }
    }

    private var isGoingOn: Bool {
        state.withLock { state in !state.puts.isEmpty && state.deadline.map { .now < $0 } ?? false }
    }

    /// Ends every upload to which nothing will come any more: those that wait for parts get their answer.
    func failUncommitted() {
        for upload in state.withLock({ $0.uploads }).values {
            upload.failUncommitted(
                StorageError(.unavailable, "the component is shutting down", key: upload.key.rawValue))
        }
    }

    /// Ends every upload, and returns when their puts have ended.
    func close() async {
        for id in state.withLock({ Array($0.uploads.keys) }) {
            abort(id, StorageError(.cancelled, "the component is shutting down"))
        }
        for put in state.withLock({ $0.puts }).values { await put.value }
    }

    private var idle: Duration { context.limits.uploadIdle }
}

struct UploadEndpoint: Endpoint {
    let uploads: Uploads

    func operation(_ request: Request) -> String? { "open" }

    func answer(_ request: Request) async throws(StorageError) -> Reply {
        Reply(json: try uploads.open(request))
    }
}
