public import Storage

extension ObjectKey: ExpressibleByStringLiteral {
    /// A key spelled out in a test; a bad one is a mistake in the test.
    public init(stringLiteral text: String) {
        guard let key = ObjectKey(text) else { fatalError("“\(text)” is not a key") }
        self = key
    }
}
