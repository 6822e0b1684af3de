import Storage
import StorageLayers
import TieredStorage

/// The keys of a `tiered` store.
struct TieredKeys: Sendable {
    private var hot: StoreConfiguration?
    private var warm: StoreConfiguration?
    private var cold: StoreConfiguration?
    private var hotLimits = TierLimits()
    private var warmLimits = TierLimits()
    private var options = TieredStore.Options()
    private var compression: CompressionAlgorithm?

    init() {
        options.promotion = .eager
    }

    static let section = Section<TieredKeys>(
        "A store that holds everything, and copies of some of it in one or two faster ones above it.",
        [
            Setting("hot", .store, "The fastest: its copies are read first.") { $1.hot = try StoreConfiguration($0) },
            Setting("warm", .store, "The one between.") { $1.warm = try StoreConfiguration($0) },
            Setting("cold", .store, "The one that holds every object.") { $1.cold = try StoreConfiguration($0) }
                .required,
            Setting("hot_limits", .section(limits.description(TierLimits())), "How much is kept in hot.") {
                try limits.read($0, into: &$1.hotLimits)
            },
            Setting("warm_limits", .section(limits.description(TierLimits())), "How much is kept in warm.") {
                try limits.read($0, into: &$1.warmLimits)
            },
            .choice(
                "promotion", \.options.promotion, [("eager", .eager), ("lazy", .lazy)],
                "Whether what is read from a lower tier is copied to those above."),
            .choice(
                "compression", \.compression, [("none", nil), ("gzip", .gzip), ("zstd", .zstd)],
                "Whether all tiers hold objects compressed, as a compress layer around them does it."),
            .duration("default_ttl", \.options.defaultTimeToLive, "How long objects live whose put does not say."),
            .duration(
                "revalidate_after", \.options.revalidateAfter,
                "How long a copy is read without asking cold whether it is current, where cold tells of no changes."),
            .size(
                "buffer_limit", \.options.bufferLimit,
                "Larger bodies go to all tiers chunk by chunk, instead of by way of memory."),
            Setting("placement", .list(.section(rule.description(Rule()))), "Which keys may be copied where.") {
                $1.options.placement = try $0.elements().map { node in
                    var rule = Rule()
                    try Self.rule.read(node, into: &rule)
                    return PlacementRule(rule.match, tiers: rule.tiers)
                }
            },
        ])

    private static let limits = Section<TierLimits>(
        "How much a tier keeps; what was used longest ago leaves first.",
        [
            .integer("max_objects", \.maxObjects, in: 1...Int.max, "The most objects."),
            .size("max_bytes", \.maxBytes, "The most bytes of them together."),
            .size("max_object_size", \.maxObjectBytes, "Larger objects are not copied here."),
            .duration("max_idle", \.maxIdle, "How long an object stays that nobody reads."),
            .boolean("demotes", \.demotes, "Whether what leaves hot goes to warm."),
        ])

    private struct Rule: Sendable {
        var match = PlacementRule.Match.prefix("")
        var tiers: Set<UpperTier> = []
    }

    private static let rule = Section<Rule>(
        "Where copies of some keys may lie; of several rules the first that matches holds.",
        [
            Setting("prefix", .text, "What the keys begin with.") { $1.match = .prefix(try $0.string()) },
            Setting("pattern", .text, "Or what they match, as in logs/*.") { node, rule in
                rule.match = .pattern(try node.checked { try KeyPattern(validating: try node.string()) })
            },
            Setting("tiers", .list(.choice(["hot", "warm"])), "The tiers; none: only cold holds them.") { node, rule in
                rule.tiers = Set(try node.elements().map { try $0.choice([("hot", .hot), ("warm", .warm)]) })
            }.required,
        ])

    /// What the keys say together.
    func store(_ node: ConfigurationNode) throws -> StoreConfiguration {
        guard let cold else { throw node.failure("has no cold") }
        let tiers = StoreConfiguration.tiered(
            TieredConfiguration(
                hot: hot.map { .init(store: $0, limits: hotLimits) },
                warm: warm.map { .init(store: $0, limits: warmLimits) },
                cold: cold, options: options))
        guard let compression else { return tiers }
        return tiers.with([
            LayerConfiguration("compress") { store in
                var options = CompressionOptions()
                options.algorithm = compression
                return CompressedStore(store, options)
            }
        ])
    }
}
