import Storage
import StorageWire

/// A part, the commit or the abort of an upload.
struct PartEndpoint: Endpoint {
    let uploads: Uploads

    func operation(_ request: Request) -> String? {
        if request.headers.first(WireHeader.abort) != nil { return "abort" }
        return request.headers.first(WireHeader.commit) == nil ? "part" : "commit"
    }

    func key(of request: Request) -> String? {
        (try? uploads.find(id(request)))?.key.rawValue
    }

    /// A commit that runs out of time ends the upload, which reports it.
    func isReportedElsewhere(_ error: StorageError, of request: Request) -> Bool {
        error.kind == .timeout && operation(request) == "commit"
    }

    func noMoreCome() { uploads.failUncommitted() }

    func answer(_ request: Request) async throws(StorageError) -> Reply { try await begin(request)() }

    /// Parts and the commit count in the order in which they came.
    func begin(_ request: Request) -> Work {
        let id = id(request)
        var upload: Upload?
        do throws(StorageError) {
            try checkEnd(request)
            if request.headers.first(WireHeader.abort) != nil { return abort(id) }
            let found = try uploads.find(id)
            upload = found
            guard let text = request.headers.first(WireHeader.commit) else {
                let number = try number(request)
                return part(number, try found.receive(number, request.payload), found)
            }
            let digest = try digest(text)
            try found.commit(digest)
            return commit(digest, found, id)
        } catch {
            let failed = upload
            return { () async throws(StorageError) in try Self.reply(to: error, of: failed) }
        }
    }

    /// Throws where an end brings bytes, of which nothing would become.
    private func checkEnd(_ request: Request) throws(StorageError) {
        let isPart = !request.payload.isEmpty || request.headers.first(WireHeader.part) != nil
        guard isPart else { return }
        for name in [WireHeader.commit, WireHeader.abort] where request.headers.first(name) != nil {
            throw StorageError(.invalid, "\(name) comes in a message of its own, behind the last part")
        }
    }

    private func id(_ request: Request) -> String {
        request.subject.split(separator: ".").last.map(String.init) ?? ""
    }

    private func number(_ request: Request) throws(StorageError) -> Int {
        guard let text = request.headers.first(WireHeader.part), let number = Int(text), number > 0 else {
            throw StorageError(
                .invalid, "a part needs \(WireHeader.part): 1, 2, …, or \(WireHeader.commit), or \(WireHeader.abort)")
        }
        return number
    }

    private func digest(_ text: String) throws(StorageError) -> Digest? {
        if text == "-" { return nil }
        guard let digest = Digest(text) else {
            throw StorageError(.invalid, "\(WireHeader.commit) “\(text.abbreviated)” is neither a digest nor “-”")
        }
        return digest
    }

    private func abort(_ id: String) -> Work {
        let put = uploads.abort(id, StorageError(.cancelled, "the upload was aborted"))
        return { () async throws(StorageError) in
            await put?.value
            return Reply(payload: Array("{}".utf8))
        }
    }

    private func part(_ number: Int, _ taken: Occasion?, _ upload: Upload) -> Work {
        { () async throws(StorageError) in
            do throws(StorageError) {
                if let taken { try await upload.wait(for: number, taken) }
                return Reply(json: WirePart(part: number))
            } catch {
                return try Self.reply(to: error, of: upload)
            }
        }
    }

    private func commit(_ digest: Digest?, _ upload: Upload, _ id: String) -> Work {
        { () async throws(StorageError) in
            do throws(StorageError) {
                return Reply(json: WireInfo(try await upload.info(digest)))
            } catch {
                if Task.isCancelled { uploads.giveUp(id, upload) }
                return try Self.reply(to: error, of: upload)
            }
        }
    }

    /// What an upload failed with, it has told itself.
    private static func reply(to error: StorageError, of upload: Upload?) throws(StorageError) -> Reply {
        guard upload?.failure != nil else { throw error }
        return Reply(error)
    }
}
