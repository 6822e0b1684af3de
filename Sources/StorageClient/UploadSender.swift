import NATS
import Storage
import StorageWire

/// Sends a body in parts, a window of them in flight.
struct UploadSender {
    private let store: RemoteStore
    private let upload: WireUpload

    init(_ store: RemoteStore, _ upload: WireUpload) {
        self.store = store
        self.upload = upload
    }

    func send(_ body: ObjectBody) async throws(StorageError) -> ObjectInfo {
        do throws(StorageError) {
            let digest = try await sendParts(of: body)
            let headers: WireHeaders = [(WireHeader.commit, digest.description)]
            let reply = try await store.ask(upload.part_subject, headers, [])
            return try JSON.decode(WireInfo.self, from: reply.payload, what: "reply").info()
        } catch {
            await abort()
            throw error
        }
    }

    /// Ends the upload now; otherwise the component's idle time would.
    private func abort() async {
        let (store, subject) = (store, upload.part_subject)
        // Not cancelled with the caller: the component holds parts until then.
        await Task { _ = try? await store.ask(subject, [(WireHeader.abort, "1")], []) }.value
    }

    private func sendParts(of body: ObjectBody) async throws(StorageError) -> Digest {
        var reader = BodyReader(body)
        let size = max(1, min(upload.max_part_size, store.room))
        let outcome = await withTaskGroup(of: StorageError?.self) { group -> Result<Void, StorageError> in
            var number = 0
            var inFlight = 0
            do throws(StorageError) {
                while let part = try await reader.next(size) {
                    if inFlight >= max(1, upload.window) {
                        if let error = await group.next() ?? nil { throw error }
                        inFlight -= 1
                    }
                    number += 1
                    inFlight += 1
                    let headers: WireHeaders = [(WireHeader.part, String(number))]
                    let (store, subject) = (store, upload.part_subject)
                    group.addTask { await Self.send(part, headers, subject, store) }
                }
                for await error in group { if let error { throw error } }
                return .success(())
            } catch {
                group.cancelAll()
                return .failure(error)
            }
        }
        try outcome.get()
        return try await reader.finish(expected: nil)
    }

    private static func send(
        _ part: [UInt8], _ headers: WireHeaders, _ subject: String, _ store: RemoteStore
    ) async -> StorageError? {
        do throws(StorageError) {
            _ = try await store.ask(subject, headers, part)
            return nil
        } catch {
            return error
        }
    }
}
