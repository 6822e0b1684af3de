import FileStorage
import Foundation
import Storage
import TestSupport

/// A folder of a test's own, removed with it.
final class Folder: Sendable {
    let path = FileManager.default.temporaryDirectory.appending(path: "files-\(UUID().uuidString)").path

    var url: URL { URL(filePath: path) }

    init() {}

    /// One whose names are settled to be portable.
    convenience init(isPortable: Bool) throws {
        self.init()
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        if isPortable { try write("nats-storage files 1 portable\n", to: "format") }
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    /// Opens a store in it.
    func store(
        _ durability: FileStoreConfiguration.Durability = .always,
        clock: TestClock? = nil,
        _ change: (inout FileStoreConfiguration) -> Void = { _ in }
    ) async throws -> FileStore {
        var configuration = FileStoreConfiguration(path: path, durability: durability)
        change(&configuration)
        return try await FileStore.open(configuration, now: { clock?.now() ?? .now })
    }

    func write(_ text: String, to name: String) throws {
        try Data(text.utf8).write(to: URL(filePath: path + "/" + name))
    }

    /// What lies in it, paths sorted.
    func contents(_ inner: String = "") -> [String] {
        (FileManager.default.enumerator(atPath: path + "/" + inner)?.compactMap { $0 as? String } ?? []).sorted()
    }

    /// The paths of objects and their folders.
    var objects: [String] { contents("objects") }

    /// The names of temporary files.
    var temporaryFiles: [String] { contents("tmp") }
}
