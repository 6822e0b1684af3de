import Storage

/// The headers of encrypted objects that were opened lately: to open one takes longer than to decrypt a small object.
///
/// One for each key is kept, with all that it was opened with: what is found is what opening it again would give.
struct OpenedHeaders: Sendable {
    private final class Opened: Sendable {
        let values: [String]
        let object: EncryptedObject

        init(_ values: [String], _ object: EncryptedObject) {
            (self.values, self.object) = (values, object)
        }
    }

    private let recent = RecentValues<ObjectKey, Opened>(limit: 1024)

    func object(_ name: ObjectKey, _ values: [String]) -> EncryptedObject? {
        guard let opened = recent.value(name), opened.values == values else { return nil }
        return opened.object
    }

    func add(_ object: EncryptedObject, _ name: ObjectKey, _ values: [String]) {
        recent.add(Opened(values, object), name)
    }
}
