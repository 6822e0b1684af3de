/// Prometheus' text format, read strictly: whatever a scraper might refuse is a failure.
package struct PrometheusText {
    package struct Sample: Sendable, Hashable {
        package let name: String
        package let labels: [String: String]
        package let value: Double
    }

    package struct Family: Sendable {
        package let type: String
        package let help: String
        package var samples: [Sample] = []
    }

    package private(set) var families: [String: Family] = [:]

    /// - Throws: ``TestFailure`` that names the line.
    package init(_ text: String) throws {
        guard text.hasSuffix("\n") else { throw TestFailure("the last line has no end") }
        var current: String?
        var help: (name: String, text: String)?
        for line in text.dropLast().split(separator: "\n", omittingEmptySubsequences: false) {
            func fail(_ reason: String) -> TestFailure { TestFailure("\(reason): \(line)") }
            if line.hasPrefix("# HELP ") {
                let parts = line.dropFirst(7).split(separator: " ", maxSplits: 1)
                guard parts.count == 2, help == nil else { throw fail("no help") }
                help = (String(parts[0]), String(parts[1]))
            } else if line.hasPrefix("# TYPE ") {
                let parts = line.dropFirst(7).split(separator: " ")
                guard parts.count == 2, ["counter", "gauge", "histogram"].contains(parts[1]) else {
                    throw fail("no type")
                }
                let name = String(parts[0])
                guard help?.name == name, let text = help?.text, families[name] == nil, name.isMetricName else {
                    throw fail("no HELP before it, or it comes twice")
                }
                families[name] = Family(type: String(parts[1]), help: text)
                (current, help) = (name, nil)
            } else {
                guard let name = current, help == nil else { throw fail("no TYPE before it") }
                try add(try Sample(line), to: name, fail)
            }
        }
        for (name, family) in families { try family.check(name) }
    }

    private mutating func add(_ sample: Sample, to name: String, _ fail: (String) -> TestFailure) throws {
        let suffixes = families[name]?.type == "histogram" ? ["_bucket", "_sum", "_count"] : [""]
        guard suffixes.contains(where: { name + $0 == sample.name }) else { throw fail("belongs to another metric") }
        let isTwice = families[name]?.samples.contains { $0.name == sample.name && $0.labels == sample.labels }
        guard isTwice == false else { throw fail("comes twice") }
        families[name]?.samples.append(sample)
    }

    /// The value of the series with these labels, and no others unless `among`.
    package func value(_ name: String, _ labels: [String: String] = [:]) -> Double? {
        let family = families.values.first { $0.samples.contains { $0.name == name } }
        return family?.samples.first { $0.name == name && $0.labels == labels }?.value
    }

    /// The sum of all series that have these labels.
    package func sum(_ name: String, _ labels: [String: String] = [:]) -> Double {
        families.values.joined(name).filter { sample in labels.allSatisfy { sample.labels[$0.key] == $0.value } }
            .reduce(0) { $0 + $1.value }
    }
}

extension Sequence where Element == PrometheusText.Family {
    fileprivate func joined(_ name: String) -> [PrometheusText.Sample] {
        flatMap(\.samples).filter { $0.name == name }
    }
}

extension PrometheusText.Family {
    /// Buckets grow up to `+Inf`, which is the count.
    fileprivate func check(_ name: String) throws {
        guard !samples.isEmpty else { throw TestFailure("\(name) has no series") }
        if type == "counter", samples.contains(where: { $0.value < 0 }) { throw TestFailure("\(name) is negative") }
        guard type == "histogram" else { return }
        let series = Dictionary(grouping: samples) { sample in sample.labels.filter { $0.key != "le" } }
        for (labels, samples) in series {
            let buckets = samples.filter { $0.name == name + "_bucket" }
            let bounds = buckets.map { $0.labels["le"].flatMap { $0 == "+Inf" ? .infinity : Double($0) } ?? .nan }
            let counts = buckets.map(\.value)
            let count = samples.first { $0.name == name + "_count" }?.value
            let sum = samples.first { $0.name == name + "_sum" }
            guard bounds == bounds.sorted(), Set(bounds).count == bounds.count, bounds.last == .infinity,
                counts == counts.sorted(), counts.last == count, sum != nil
            else { throw TestFailure("the buckets of \(name) \(labels) make no sense: \(bounds) \(counts)") }
        }
    }
}

extension PrometheusText.Sample {
    fileprivate init(_ line: Substring) throws {
        var rest = line
        name = String(rest.prefix { !"{ ".contains($0) })
        rest = rest.dropFirst(name.count)
        var labels: [String: String] = [:]
        if rest.first == "{" {
            rest = rest.dropFirst()
            while rest.first != "}" {
                let label = String(rest.prefix { $0 != "=" })
                guard label.isLabelName, labels[label] == nil else { throw TestFailure("label “\(label)” in \(line)") }
                rest = rest.dropFirst(label.count + 1)
                labels[label] = try Self.quoted(&rest)
                if rest.first == "," { rest = rest.dropFirst() }
            }
            rest = rest.dropFirst()
        }
        let numbers = ["+Inf": Double.infinity, "-Inf": -Double.infinity, "NaN": Double.nan]
        let text = String(rest.dropFirst())
        guard name.isMetricName, rest.first == " ", let value = numbers[text] ?? Double(text) else {
            throw TestFailure("no sample: \(line)")
        }
        (self.labels, self.value) = (labels, value)
    }

    private static func quoted(_ rest: inout Substring) throws -> String {
        guard rest.popFirst() == "\"" else { throw TestFailure("no quotation mark: \(rest)") }
        var value = ""
        while let character = rest.popFirst() {
            switch character {
            case "\"": return value
            case "\\":
                guard let escaped = rest.popFirst(), let plain = ["n": "\n", "\\": "\\", "\"": "\""][escaped] else {
                    throw TestFailure("no escape: \(rest)")
                }
                value += plain
            default: value.append(character)
            }
        }
        throw TestFailure("a label's value does not end")
    }
}

extension String {
    fileprivate var isMetricName: Bool { wholeMatch(of: /[a-zA-Z_:][a-zA-Z0-9_:]*/) != nil }
    fileprivate var isLabelName: Bool { wholeMatch(of: /[a-zA-Z_][a-zA-Z0-9_]*/) != nil }
}
