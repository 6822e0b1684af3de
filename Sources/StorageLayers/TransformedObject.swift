import Storage

/// An object whose content a layer stores in another form, as hidden metadata tells.
protocol TransformedObject {
    static var hidden: HiddenMetadata { get }
    /// The size and the digest of its content.
    var size: Int { get }
    var digest: Digest { get }
}

extension TransformedObject {
    /// Makes the info of what is stored that of the content.
    func show(in info: inout ObjectInfo) {
        info.size = size
        info.digest = digest
        Self.hidden.remove(from: &info.attributes)
    }

    /// The info of the content.
    func shown(_ info: consuming ObjectInfo) -> ObjectInfo {
        show(in: &info)
        return info
    }
}
