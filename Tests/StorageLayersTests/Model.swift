import Storage
import Testing

/// What a store may hold, after operations of one client of which some failed so that nobody knows whether they happened.
struct Model {
    /// An object as it was put; nil: none.
    typealias State = Written?

    struct Written: Hashable {
        let number: Int
        var contentType: String?

        /// Of a size and a pattern of its own, compressible, of several chunks now and then.
        var content: [UInt8] {
            let pattern = Array("object \(number) ".utf8)
            let size = number % 5 == 0 ? 0 : number * 37 % 700 + (number % 7 == 0 ? 20_000 : 0)
            return (0..<size).map { pattern[$0 % pattern.count] }
        }
    }

    private var possible: [ObjectKey: Set<State>] = [:]
    /// The version that is certainly there.
    private(set) var current: [ObjectKey: Version] = [:]

    func states(_ key: ObjectKey) -> Set<State> { possible[key] ?? [nil] }

    mutating func wrote(_ state: State, _ key: ObjectKey, _ version: Version?) {
        possible[key] = [state]
        current[key] = version
    }

    /// Something failed after which these are possible too.
    mutating func mayHold(_ others: [State], _ key: ObjectKey) {
        possible[key] = states(key).union(others)
        current[key] = nil
    }

    /// What was read has to be possible, and is it from then on.
    mutating func found(_ key: ObjectKey, _ info: ObjectInfo?, _ what: String, matching: (Written) -> Bool) {
        let fitting = states(key).filter { state in
            guard let state, let info else { return state == nil && info == nil }
            return state.contentType == info.attributes.contentType && matching(state)
        }
        #expect(!fitting.isEmpty, "\(what) of \(key) found \(info.map { "\($0)" } ?? "nothing"), not of \(states(key))")
        possible[key] = fitting
        if let info, fitting.count == 1 { current[key] = info.version }
    }
}
