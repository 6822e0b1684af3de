import StorageService

/// Where two readings of the configuration file differ, by places in the file: `instances[objectstore].store.bucket`.
public struct ConfigurationChanges: Sendable, Hashable {
    /// What can take effect while the component runs: `log`, `http.browse`, instances' `limits`.
    public let reloadable: [String]
    /// What only a restart brings.
    public let needRestart: [String]
}

extension Configuration {
    /// Where `new` says something else than this.
    public func changes(to new: Configuration) -> ConfigurationChanges {
        let places = Set(effective.keys).union(new.effective.keys).filter { effective[$0] != new.effective[$0] }
            .sorted()
        let known = Set(instances.map(\.configuration.name)).intersection(new.instances.map(\.configuration.name))
        let isReloadable = { (place: String) in
            place.hasPrefix("log.") || place == "http.browse" && http != nil && new.http != nil
                || known.contains { place.hasPrefix("instances[\($0)].limits.") }
        }
        return ConfigurationChanges(
            reloadable: places.filter(isReloadable), needRestart: places.filter { !isReloadable($0) })
    }
}

extension ConfigurationNode {
    /// What takes effect, by its place: `instances[objectstore].store.bucket`. Of each value the hash alone, since there
    /// are secrets among them; this process compares it with another of its own.
    func effective(_ shape: Shape) throws -> [String: Int] {
        var places: [String: Int] = [:]
        try printed(shape, hides: false).flatten("", into: &places)
        return places
    }
}

extension Printed {
    fileprivate func flatten(_ place: String, into places: inout [String: Int]) {
        switch self {
        case .scalar(let text): places[place] = text.hashValue
        case .list(let elements):
            var count: [String: Int] = [:]
            for (index, element) in elements.enumerated() {
                let name = element.instanceName ?? String(index)
                count[name, default: 0] += 1
                // Ports may share a name: then they are told apart by their order.
                let place = "\(place)[\(name)\(count[name] == 1 ? "" : "#\(count[name, default: 0])")]"
                element.flatten(place, into: &places)
            }
        case .mapping(let entries):
            for entry in entries {
                entry.value.flatten(place.isEmpty ? entry.name : "\(place).\(entry.name)", into: &places)
            }
        }
    }

    /// Elements that have names are told by them: their order says nothing.
    private var instanceName: String? {
        guard case .mapping(let entries) = self,
            case .scalar(let name)? = entries.first(where: { $0.name == "name" })?.value
        else { return nil }
        return name
    }
}
