import Storage

/// The headers of encrypted objects that were opened lately: to open one takes longer than to decrypt a small object.
///
/// A header is found by all that it was opened with, so what is found is what opening it again would give.
struct OpenedHeaders: Sendable {
    private struct ID: Hashable {
        let name: ObjectKey
        let values: [String]
    }

    private let values = RecentValues<ID, EncryptedObject>(limit: 1024)

    func object(_ name: ObjectKey, _ values: [String]) -> EncryptedObject? {
        self.values.value(ID(name: name, values: values))
    }

    func add(_ object: EncryptedObject, _ name: ObjectKey, _ values: [String]) {
        self.values.add(object, ID(name: name, values: values))
    }
}
