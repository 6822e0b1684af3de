/// What a value in the file may be: what a person is told of it, what the schema says, and what is printed follow from it.
indirect enum Shape: Sendable {
    case text
    /// Text; the user and password in it are never printed.
    case url
    /// Never printed; also `{file: PATH}`.
    case secret
    case integer(ClosedRange<Int>)
    case number(ClosedRange<Double>)
    case boolean
    /// `64KiB`, or bytes.
    case size(ClosedRange<Int>)
    /// `30s`; or a word.
    case duration(or: String? = nil)
    case choice([String])
    /// Several, or one that stands for a list of one.
    case list(Shape)
    /// A mapping of any names.
    case mapping(Shape)
    /// A mapping of these keys.
    case section(SectionDescription)
    /// A mapping whose key `type` tells which others there are; each may have `layers`.
    case store
    /// One layer: its name, or a mapping of its name to its options.
    case layer
    /// A key generator, which may hold others.
    case generator
    /// A metadata extractor, which may hold others.
    case extractor
}

/// What a mapping in the file may hold.
struct SectionDescription: Sendable {
    var summary: String
    var keys: [KeyDescription]
}

/// A key of a mapping: said once, here, for reading, printing and the schema.
struct KeyDescription: Sendable {
    var name: String
    var summary: String
    var shape: Shape
    /// What holds where the key is missing, as one would write it; nil: nothing, or more than a word can tell.
    var initial: String?
    var isRequired = false
}
