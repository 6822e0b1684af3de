import Storage

/// A version: the generation, which each write makes anew, and the metageneration, which each change of metadata does.
struct GCSVersion: Sendable, Hashable {
    let generation: Int64
    let metageneration: Int64

    init(generation: Int64, metageneration: Int64) {
        self.generation = generation
        self.metageneration = metageneration
    }

    /// Nil where `version` is none of this store's.
    init?(_ version: Version) {
        let parts = version.description.split(separator: ".", omittingEmptySubsequences: false).map { Int64($0) }
        guard parts.count == 2, let generation = parts[0], let metageneration = parts[1], generation > 0,
            metageneration > 0
        else { return nil }
        self.init(generation: generation, metageneration: metageneration)
    }

    var version: Version { Version("\(generation).\(metageneration)") }

    /// The query that asks for it.
    var condition: [(String, String)] {
        [("ifGenerationMatch", String(generation)), ("ifMetagenerationMatch", String(metageneration))]
    }
}
