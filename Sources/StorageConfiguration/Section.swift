import Storage

/// The keys of a mapping, each bound to what it sets in `Options`.
struct Section<Options: Sendable>: Sendable {
    let summary: String
    let settings: [Setting<Options>]

    init(_ summary: String, _ settings: [Setting<Options>]) {
        self.summary = summary
        self.settings = settings
    }

    /// What the section holds, where `options` are what is without it.
    func description(_ options: Options) -> SectionDescription {
        SectionDescription(
            summary: summary,
            keys: settings.map { setting in
                var key = setting.key
                key.initial = setting.initial(options)
                return key
            })
    }

    /// Reads a mapping into `options`; `besides` are keys that somebody else reads.
    func read(_ node: ConfigurationNode, into options: inout Options, besides: [String] = []) throws {
        let fields = try node.fields(besides + settings.map(\.key.name))
        for setting in settings {
            if let value = fields[setting.key.name] {
                try setting.apply(value, &options)
            } else if setting.key.isRequired {
                throw node.failure("has no \(setting.key.name)")
            }
        }
    }
}

/// A key and what it sets.
struct Setting<Options: Sendable>: Sendable {
    typealias Path<Value> = any WritableKeyPath<Options, Value> & Sendable

    var key: KeyDescription
    /// What holds without the key, as one would write it.
    let initial: @Sendable (Options) -> String?
    let apply: @Sendable (ConfigurationNode, inout Options) throws -> Void

    init(
        _ name: String, _ shape: Shape, _ summary: String,
        initial: @escaping @Sendable (Options) -> String? = { _ in nil },
        apply: @escaping @Sendable (ConfigurationNode, inout Options) throws -> Void
    ) {
        key = KeyDescription(name: name, summary: summary, shape: shape)
        self.initial = initial
        self.apply = apply
    }

    /// The same key, which must be there.
    var required: Self {
        var setting = self
        setting.key.isRequired = true
        return setting
    }

    /// The same key for options of which `path` is a part.
    func within<Whole>(_ path: any WritableKeyPath<Whole, Options> & Sendable) -> Setting<Whole> {
        Setting<Whole>(key.name, key.shape, key.summary, initial: { initial($0[keyPath: path]) }) { node, whole in
            try apply(node, &whole[keyPath: path])
        }
    }
}

// Each kind of value twice: one that is always there, and one that may be missing.
extension Setting {
    static func text(_ name: String, _ path: Path<String>, _ summary: String) -> Self {
        Setting(name, .text, summary, initial: { $0[keyPath: path] }) { $1[keyPath: path] = try $0.string() }
    }

    /// Empty text is none, as a variable that is not set leaves it.
    static func text(_ name: String, _ path: Path<String?>, _ summary: String) -> Self {
        Setting(name, .text, summary, initial: { $0[keyPath: path] }) { $1[keyPath: path] = try $0.text() }
    }

    static func secret(_ name: String, _ path: Path<String?>, _ summary: String) -> Self {
        Setting(name, .secret, summary) { $1[keyPath: path] = try $0.secret() }
    }

    static func integer(_ name: String, _ path: Path<Int>, in range: ClosedRange<Int>, _ summary: String) -> Self {
        Setting(name, .integer(range), summary, initial: { $0[keyPath: path].written }) {
            $1[keyPath: path] = try $0.integer(in: range)
        }
    }

    static func integer(_ name: String, _ path: Path<Int?>, in range: ClosedRange<Int>, _ summary: String) -> Self {
        Setting(name, .integer(range), summary) { $1[keyPath: path] = try $0.integer(in: range) }
    }

    static func number(_ name: String, _ path: Path<Double>, in range: ClosedRange<Double>, _ summary: String) -> Self {
        Setting(name, .number(range), summary, initial: { "\($0[keyPath: path])" }) {
            $1[keyPath: path] = try $0.number(in: range)
        }
    }

    static func boolean(_ name: String, _ path: Path<Bool>, _ summary: String) -> Self {
        Setting(name, .boolean, summary, initial: { "\($0[keyPath: path])" }) { $1[keyPath: path] = try $0.boolean() }
    }

    static func boolean(_ name: String, _ path: Path<Bool?>, _ summary: String) -> Self {
        Setting(name, .boolean, summary) { $1[keyPath: path] = try $0.boolean() }
    }

    static func size(_ name: String, _ path: Path<Int>, in range: ClosedRange<Int> = 1...Int.max, _ summary: String)
        -> Self
    {
        Setting(name, .size(range), summary, initial: { $0[keyPath: path].writtenAsSize }) {
            $1[keyPath: path] = try $0.size(in: range)
        }
    }

    static func size(_ name: String, _ path: Path<Int?>, in range: ClosedRange<Int> = 1...Int.max, _ summary: String)
        -> Self
    {
        Setting(name, .size(range), summary) { $1[keyPath: path] = try $0.size(in: range) }
    }

    static func duration(_ name: String, _ path: Path<Duration>, _ summary: String) -> Self {
        Setting(name, .duration(), summary, initial: { $0[keyPath: path].written }) {
            $1[keyPath: path] = try $0.duration()
        }
    }

    /// - Parameter word: what stands for none.
    static func duration(_ name: String, _ path: Path<Duration?>, or word: String? = nil, _ summary: String) -> Self {
        Setting(name, .duration(or: word), summary, initial: { $0[keyPath: path].map(\.written) ?? word }) {
            $1[keyPath: path] = try word == $0.string() ? nil : $0.duration()
        }
    }

    /// One of some words; the first that stands for what holds without the key is told as that.
    static func choice<Value: Equatable & Sendable>(
        _ name: String, _ path: Path<Value>, _ choices: [(String, Value)], _ summary: String
    ) -> Self {
        Setting(
            name, .choice(choices.map(\.0)), summary,
            initial: { options in choices.first { $0.1 == options[keyPath: path] }?.0 }
        ) {
            $1[keyPath: path] = try $0.choice(choices)
        }
    }
}

extension Int {
    /// As one would write it; nil where there is no bound.
    fileprivate var written: String? { self == .max ? nil : String(self) }

    fileprivate var writtenAsSize: String? {
        guard self < .max else { return nil }
        for (unit, bits) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] where self >= 1 << bits && self % (1 << bits) == 0 {
            return "\(self >> bits)\(unit)"
        }
        return String(self)
    }
}

extension Duration {
    /// As one would write it.
    var written: String {
        let milliseconds = Int64((seconds * 1000).rounded())
        for (unit, length) in [("h", 3_600_000), ("m", 60_000), ("s", 1000)] as [(String, Int64)]
        where milliseconds >= length && milliseconds % length == 0 {
            return "\(milliseconds / length)\(unit)"
        }
        return "\(milliseconds)ms"
    }
}
