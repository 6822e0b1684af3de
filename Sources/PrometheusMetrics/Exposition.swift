/// What one scrape tells: metrics with their series, each metric once.
public struct Exposition: Sendable {
    enum Value: Sendable {
        case number(Double)
        case histogram(HistogramCounts)
    }

    private struct Family: Sendable {
        let description: MetricDescription
        var series: [LabelSet: Value] = [:]
    }

    private var families: [String: Family] = [:]
    private let catalog: [String: MetricDescription]

    /// - Parameter catalog: what is known of metrics; another one's help is its name.
    public init(catalog: [MetricDescription] = []) {
        self.catalog = Dictionary(catalog.map { ($0.name, $0) }) { first, _ in first }
    }

    /// Adds a value; to what the same series has already, where it has something.
    ///
    /// A value of another kind than the metric's is left out.
    public mutating func add(
        _ name: String, _ kind: MetricDescription.Kind, _ labels: [(String, String)] = [], _ value: Double
    ) {
        add(name, kind, LabelSet(labels), .number(value))
    }

    /// Adds a counter's or a gauge's value, whatever the catalog says that it is.
    public mutating func add(_ name: String, _ labels: [(String, String)], _ value: Double) {
        add(name, catalog[name]?.kind ?? .gauge, LabelSet(labels), .number(value))
    }

    mutating func add(_ name: String, _ kind: MetricDescription.Kind, _ labels: LabelSet, _ value: Value) {
        let name = name.sanitized(allowing: "_:")
        var family = families[name] ?? Family(description: catalog[name] ?? MetricDescription(name, kind, name))
        guard family.description.kind == kind else { return }
        switch (family.series[labels], value) {
        case (.number(let first)?, .number(let second)): family.series[labels] = .number(first + second)
        case (nil, _): family.series[labels] = value
        default: break
        }
        families[name] = family
    }

    /// Prometheus' text format, version 0.0.4.
    public var text: String {
        var text = ""
        for (name, family) in families.sorted(by: { $0.key < $1.key }) {
            text += "# HELP \(name) \(family.description.help.escapedLines)\n"
            text += "# TYPE \(name) \(family.description.kind.rawValue)\n"
            for (labels, value) in family.series.sorted(by: { $0.key.text < $1.key.text }) {
                switch value {
                case .number(let number): text += "\(name)\(labels.braced) \(number.asSample)\n"
                case .histogram(let counts): text += counts.lines(name, labels)
                }
            }
        }
        return text
    }

    /// The content type of ``text``.
    public static let contentType = "text/plain; version=0.0.4; charset=utf-8"
}

/// How often values lay below each bound.
struct HistogramCounts: Sendable {
    let bounds: [Double]
    /// Of the values between each bound and the one before; one more for what is above them all.
    var counts: [UInt64]
    var sum: Double = 0

    init(bounds: [Double]) {
        self.bounds = bounds
        counts = Array(repeating: 0, count: bounds.count + 1)
    }

    mutating func record(_ value: Double) {
        guard !value.isNaN else { return }
        counts[bounds.firstIndex { value <= $0 } ?? bounds.count] += 1
        sum += value
    }

    func lines(_ name: String, _ labels: LabelSet) -> String {
        var (text, total): (String, UInt64) = ("", 0)
        for (bound, count) in zip(bounds + [.infinity], counts) {
            total += count
            text += "\(name)_bucket\(labels.with("le", bound.asSample)) \(total)\n"
        }
        return text + "\(name)_sum\(labels.braced) \(sum.asSample)\n\(name)_count\(labels.braced) \(total)\n"
    }
}

extension Double {
    /// As the format writes numbers.
    fileprivate var asSample: String {
        if isNaN { return "NaN" }
        if isInfinite { return self > 0 ? "+Inf" : "-Inf" }
        return self == rounded() && magnitude < 0x1p53 ? String(Int64(self)) : String(self)
    }
}
