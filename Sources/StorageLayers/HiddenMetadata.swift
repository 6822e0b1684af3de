import Storage

/// What a layer keeps with an object for itself, as metadata of a name that its users neither see nor set.
struct HiddenMetadata: Sendable {
    let name: String

    /// Of a layer of this kind over `base`. Where others of its kind lie beneath it has another name than they: to them it
    /// is the user, whose metadata they neither see nor change.
    init<Layer: StoreLayer>(_ name: String, of kind: Layer.Type, over base: any Store) {
        let others = base.count(of: kind)
        self.name = others == 0 ? name : "\(name)-\(others + 1)"
    }

    /// The attributes with `values` among them.
    ///
    /// - Throws: `invalid` where they have the name already.
    func adding(_ values: [String]?, to attributes: ObjectAttributes) throws(StorageError) -> ObjectAttributes {
        guard attributes.metadata[name] == nil else {
            throw StorageError(.invalid, "the metadata name “\(name)” is the store's own; choose another")
        }
        var attributes = attributes
        attributes.metadata[name] = values
        return attributes
    }

    /// Leaves the attributes as users see them.
    func remove(from attributes: inout ObjectAttributes) {
        if let only = only(attributes) {
            // Nothing to copy.
            if only.key == name { attributes.metadata = [:] }
        } else if attributes.metadata[name] != nil {
            attributes.metadata[name] = nil
        }
    }

    /// What is kept with the object, if anything.
    func values(_ info: borrowing ObjectInfo) -> [String]? {
        guard let only = only(info.attributes) else { return info.attributes.metadata[name] }
        return only.key == name ? only.value : nil
    }

    /// The metadata that is alone, as the layer's mostly is: to compare a name takes less than to look for it.
    private func only(_ attributes: borrowing ObjectAttributes) -> (key: String, value: [String])? {
        attributes.metadata.count == 1 ? attributes.metadata.first : nil
    }

    /// Replaces the attributes of an object and keeps what is hidden among them, as `renewed` makes it of the info.
    ///
    /// - Throws: `unsupported` where the store can't compare versions: another object could come between.
    func setMetadata(
        in base: any Store, _ key: ObjectKey, _ attributes: ObjectAttributes, _ precondition: Precondition,
        renewed: (ObjectInfo) throws(StorageError) -> [String]?
    ) async throws(StorageError) -> ObjectInfo {
        guard base.capabilities.isSuperset(of: [.metadataUpdate, .compareAndSwap]) else {
            throw StorageError(.unsupported, "this store can't change metadata and keep what a layer needs of them")
        }
        for _ in 0..<100 {
            let current = try await base.info(key)
            try precondition.check(current.version, of: key)
            let all = try adding(try renewed(current), to: attributes)
            do throws(StorageError) {
                let options = SetMetadataOptions(precondition: .matches(current.version))
                return try await base.setMetadata(key, all, options: options)
            } catch  where error.kind == .preconditionFailed && precondition == .none {
                continue
            }
        }
        throw StorageError(.unavailable, "the object changes so fast that its metadata can't be set; try again")
    }
}

extension Store {
    /// How many layers of a kind lie over one another here.
    fileprivate func count<Layer: StoreLayer>(of kind: Layer.Type) -> Int {
        guard let layer = self as? any StoreLayer else { return 0 }
        let beneath = layer.beneath.map { $0.count(of: kind) }.max() ?? 0
        return layer is Layer ? beneath + 1 : beneath
    }
}

extension Capabilities {
    /// What is left of them for a layer that hides metadata.
    var hidingMetadata: Capabilities { contains(.compareAndSwap) ? self : subtracting(.metadataUpdate) }
}
