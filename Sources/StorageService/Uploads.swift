import Storage
import StorageWire

/// The uploads of one instance: opened on the upload port, fed and ended on their part subjects.
actor Uploads {
    private let context: InstanceContext
    private let partSubject: String
    private let maxPartSize: Int
    /// How many finished uploads are remembered, for senders that ask again.
    private static let remembered = 1024
    private var uploads: [String: Upload] = [:]
    /// The puts under way.
    private var puts: [String: Task<Void, Never>] = [:] {
        didSet { context.monitor.openUploads = puts.count }
    }
    /// Uploads whose put has ended, oldest first.
    private var finished: [String] = []

    init(context: InstanceContext, partSubject: String, maxPartSize: Int) {
        self.context = context
        self.partSubject = partSubject
        self.maxPartSize = maxPartSize
    }

    func open(_ request: Request) throws(StorageError) -> WireUpload {
        guard puts.count < context.limits.maxUploads else {
            throw StorageError(.unavailable, "too many uploads are open; try again later")
        }
        let options = try RequestCodec.putOptions(in: request.headers)
        let key = try context.givenOrGeneratedKey(request)
        let id = NUID.next()
        let upload = Upload(key: key, maxSize: context.limits.maxObjectSize)
        uploads[id] = upload
        // Lives from the opening to the commit, over many requests; `close` ends it.
        puts[id] = Task {
            await self.put(upload, options, request)
            self.finish(id)
        }
        return WireUpload(
            upload: id, partSubject: "\(partSubject).\(id)", maxPartSize: maxPartSize, window: Upload.window,
            idleSeconds: Int(idle.seconds))
    }

    private func put(_ upload: Upload, _ options: PutOptions, _ request: Request) async {
        do throws(StorageError) {
            let info = try await context.store.put(upload.key, upload.body, options: options)
            context.events.succeeded(.stored, info, request)
            await upload.end(.success(info))
        } catch {
            context.events.failed(error, "upload", key: upload.key.rawValue, request)
            await upload.end(.failure(error))
        }
    }

    /// Makes room for another upload; the answer of this one is kept for a while.
    private func finish(_ id: String) {
        puts[id] = nil
        finished.append(id)
        if finished.count > Self.remembered { uploads[finished.removeFirst()] = nil }
    }

    func find(_ id: String) throws(StorageError) -> Upload {
        guard let upload = uploads[id] else {
            throw StorageError(.notFound, "no upload “\(id.abbreviated)” is open; it ended, or was silent for too long")
        }
        return upload
    }

    /// Ends an upload; nothing of it stays.
    func abort(_ id: String) async {
        guard let upload = uploads.removeValue(forKey: id) else { return }
        await upload.fail(StorageError(.cancelled, "the upload was aborted"))
        await puts.removeValue(forKey: id)?.value
    }

    /// Forgets uploads that have been silent for too long.
    func sweep() async {
        let deadline = ContinuousClock.now - idle
        for (id, upload) in uploads where await upload.isIdle(since: deadline) { await abort(id) }
    }

    /// Ends every upload.
    func close() async {
        for id in Array(uploads.keys) { await abort(id) }
    }

    private var idle: Duration { context.limits.uploadIdle }
}

struct UploadEndpoint: Endpoint {
    let uploads: Uploads

    func operation(_ request: Request) -> String? { "open" }

    func answer(_ request: Request) async throws(StorageError) -> Reply {
        Reply(json: try await uploads.open(request))
    }
}

/// A part, the commit or the abort of an upload.
struct PartEndpoint: Endpoint {
    let uploads: Uploads

    func operation(_ request: Request) -> String? {
        if request.headers.first(WireHeader.abort) != nil { return "abort" }
        return request.headers.first(WireHeader.commit) == nil ? "part" : "commit"
    }

    func answer(_ request: Request) async throws(StorageError) -> Reply {
        let id = request.subject.split(separator: ".").last.map(String.init) ?? ""
        if request.headers.first(WireHeader.abort) != nil {
            await uploads.abort(id)
            return Reply(payload: Array("{}".utf8))
        }
        let upload = try await uploads.find(id)
        if let text = request.headers.first(WireHeader.commit) {
            return Reply(json: WireInfo(try await upload.commit(try digest(text))))
        }
        guard let text = request.headers.first(WireHeader.part), let number = Int(text), number > 0 else {
            throw StorageError(
                .invalid, "a part needs \(WireHeader.part): 1, 2, …, or \(WireHeader.commit), or \(WireHeader.abort)")
        }
        try await upload.receive(number, request.payload)
        return Reply(json: WirePart(part: number))
    }

    private func digest(_ text: String) throws(StorageError) -> Digest? {
        if text == "-" { return nil }
        guard let digest = Digest(text) else {
            throw StorageError(.invalid, "\(WireHeader.commit) “\(text.abbreviated)” is neither a digest nor “-”")
        }
        return digest
    }
}
