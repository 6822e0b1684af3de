extension ObjectKey: ExpressibleByStringLiteral {
    /// The key that a program spells out: `"reports/may.txt"`.
    ///
    /// For keys that are known when the program is written: one that is no key is a mistake there, and ends the program.
    /// Whatever comes from elsewhere goes through ``init(validating:)-(String)``.
    public init(stringLiteral text: String) {
        // A literal alone comes here: without `ExpressibleByStringInterpolation` it has nothing in it that was sent.
        guard let key = ObjectKey(text) else { preconditionFailure("“\(text)” is not a key") }
        self = key
    }
}
