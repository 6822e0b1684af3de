import FoundationEssentials
import Logging
public import Storage

extension S3Store: MaintainedStore {
    /// Aborts uploads in parts that nobody goes on with, once an hour: see ``S3Configuration/abortUploadsAfter``. Each call
    /// that finds nothing due does nothing. No single object expires, so that none is ever told.
    public func maintain() async throws(StorageError) -> Upkeep {
        if let cleaning, cleaning.isDue { await abortUploads(olderThan: cleaning.grace) }
        return Upkeep(next: .now.addingTimeInterval(60))
    }

    private func abortUploads(olderThan age: Duration) async {
        do throws(StorageError) {
            let count = try await abortUploads(before: .now.addingTimeInterval(-(age / .seconds(1))))
            if count > 0 { logger.notice("aborted \(count) uploads that were begun more than \(age) ago") }
        } catch {
            // Whoever may only read and write objects works without it.
            logger.notice("old uploads could not be looked for: \(error.message)")
        }
    }
}
