import NATS
import Storage
import StorageService
import StorageWire

extension InstanceConfiguration {
    private typealias Listener = (port: String, subject: String)

    /// Why its ports can't all be served; nil: they can.
    var conflict: String? {
        let answering = answering
        let listening = answering + inputs.compactMap { $0.coreSubject.map { (Port.write.rawValue, $0) } }
        for (index, one) in answering.enumerated() {
            for other in listening[(index + 1)...] where Subject.overlap(one.subject, other.subject) {
                return "\(one.port) and \(other.port) both take what comes on “\(one.subject)”"
            }
        }
        let taken = listening + inputs.flatMap(\.streamSubjects).map { (Port.write.rawValue, $0) }
        for subject in inputs.compactMap(\.coreSubject) {
            for other in inputs.flatMap(\.streamSubjects) where Subject.overlap(subject, other) {
                return "write would store what comes on “\(subject)” twice: as it comes, and from the stream"
            }
        }
        for (own, what) in published {
            for other in taken where Subject.overlap(own, other.subject) {
                return "\(other.port) takes from “\(other.subject)” the \(what) that go to “\(own)”: it would never end"
            }
        }
        return nil
    }

    /// The port, and the subject, that `other` answers as well; nil: none.
    func conflict(with other: InstanceConfiguration) -> String? {
        for one in answering {
            for another in other.answering where Subject.overlap(one.subject, another.subject) {
                return "instances \(name) and \(other.name) both answer what comes on “\(one.subject)”"
            }
        }
        return nil
    }

    /// The ports that answer requests, and where an upload's parts come.
    private var answering: [Listener] {
        Port.requests.map { ($0.rawValue, subject($0)) }
            + [("a part of an upload", "\(subject(.upload)).\(NUID.next()).*")]
    }

    /// The subjects that it publishes to by itself, and what.
    private var published: [(subject: String, what: String)] {
        func filled(_ output: OutputConfiguration) -> String {
            output.subject.replacing("{type}", with: "*").replacing("{instance}", with: name)
        }
        return events.map { (filled($0), "events") } + stored.map { (filled($0), "references") }
            + inputs.compactMap { input in input.deadLetter.map { ($0, "dead letters") } }
    }
}

extension InputConfiguration {
    fileprivate var coreSubject: String? {
        if case .core(let subject) = source { subject } else { nil }
    }

    /// Those of a stream that it asks for, where it does not take all of them.
    fileprivate var streamSubjects: [String] {
        if case .stream(_, let subjects, _) = source { subjects } else { [] }
    }
}
