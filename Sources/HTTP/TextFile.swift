import Dispatch
import FoundationEssentials

/// Small text files, read off Swift's thread pool.
package enum TextFile {
    package static func read(_ path: String) async -> String? {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                let data = try? Data(contentsOf: URL(filePath: path))
                continuation.resume(returning: data.flatMap { String(validating: $0, as: UTF8.self) })
            }
        }
    }
}
