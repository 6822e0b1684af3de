import FoundationEssentials
import Waiting

/// Small text files, read off Swift's thread pool.
package enum TextFile {
    package static func read(_ path: String) async -> String? {
        await offPool {
            (try? Data(contentsOf: URL(filePath: path))).flatMap { String(validating: $0, as: UTF8.self) }
        }
    }
}
