import Storage

/// The headers of encrypted objects that were opened lately: to open one takes longer than to decrypt a small object.
///
/// One for each key is kept, with all that it was opened with: what is found is what opening it again would give.
struct OpenedHeaders: Sendable {
    private struct Opened: Sendable {
        let values: [String]
        let object: EncryptedObject
    }

    private let recent = RecentValues<ObjectKey, Opened>(limit: 1024)

    func object(_ name: ObjectKey, _ values: [String]) -> EncryptedObject? {
        recent.value(name).flatMap { $0.values == values ? $0.object : nil }
    }

    func add(_ object: EncryptedObject, _ name: ObjectKey, _ values: [String]) {
        recent.add(Opened(values: values, object: object), name)
    }
}
