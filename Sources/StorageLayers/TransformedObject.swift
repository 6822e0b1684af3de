import Storage

/// An object whose content a layer stores in another form, as hidden metadata tells.
protocol TransformedObject {
    /// Where that is kept.
    var hidden: HiddenMetadata { get }
    /// The size and the digest of its content.
    var size: Int { get }
    var digest: Digest { get }
}

extension TransformedObject {
    /// The sizes that are believed: whoever writes to the store beneath could tell any, and they are reckoned with.
    static var sizes: ClosedRange<Int> { 0...1 << 50 }

    /// Makes the info of what is stored that of the content.
    func show(in info: inout ObjectInfo) {
        info.size = size
        info.digest = digest
        hidden.remove(from: &info.attributes)
    }

    /// The info of the content.
    func shown(_ info: consuming ObjectInfo) -> ObjectInfo {
        show(in: &info)
        return info
    }
}
