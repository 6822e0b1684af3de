import Glibc
import Storage
import Synchronization

/// A walk over all objects in no order, which reads each folder once, and may rest between any two of them. What comes or
/// goes meanwhile is met or not.
final class ObjectWalk: Sendable {
    private struct Folder {
        let names: FolderNames
        let path: String
        /// What the keys of all that lies in it begin with.
        let begun: [UInt8]
    }

    private struct State {
        var folders: [Folder] = []
        var hasBegun = false
    }

    private let state = Mutex(State())

    /// The next object, and the path of its file; nil at the end. On an I/O thread.
    func next(_ root: Root) throws(StorageError) -> (key: ObjectKey, path: String)? {
        try state.withLock { state throws(StorageError) in
            if !state.hasBegun { try Self.enter(".", [], &state, root) }
            state.hasBegun = true
            while let folder = state.folders.last {
                guard let name = try Self.name(in: folder, &state) else { continue }
                guard let (kind, bytes) = NameEncoding.decode(name) else { continue }
                let path = folder.path == "." ? name : folder.path + "/" + name
                let begun = folder.begun + bytes
                switch kind {
                case .continuation: try Self.enter(path, begun, &state, root)
                case .folder: try Self.enter(path, begun + [UInt8(ascii: "/")], &state, root)
                case .object:
                    // Another spelling of a name is no file of the store's.
                    if let text = String(validating: begun, as: UTF8.self), let key = ObjectKey(text),
                        root.names.path(of: text) == path
                    {
                        return (key, path)
                    }
                }
            }
            return nil
        }
    }

    /// Leaves the folder after its last name; one that can't be read too, so that the next call goes on behind it.
    private static func name(in folder: Folder, _ state: inout State) throws(StorageError) -> String? {
        do throws(StorageError) {
            if let name = try folder.names.next() { return name }
            state.folders.removeLast()
            return nil
        } catch {
            state.folders.removeLast()
            throw error
        }
    }

    private static func enter(
        _ path: String, _ begun: [UInt8], _ state: inout State, _ root: Root
    ) throws(StorageError) {
        guard begun.count <= ObjectKey.maximumBytes, let folder = try root.objects.openIfFolder(path) else { return }
        defer { folder.close() }
        state.folders.append(Folder(names: try FolderNames(folder), path: path, begun: begun))
    }
}
