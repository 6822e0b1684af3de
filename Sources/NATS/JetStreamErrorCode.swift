/// The error codes of JetStream's answers that callers tell apart, as nats-server's `errors.json` names them.
package enum JetStreamErrorCode {
    package static let consumerNotFound = 10014
    package static let insufficientResources = 10023
    package static let noMessageFound = 10037
    package static let notEnabledForAccount = 10039
    package static let storageResourcesExceeded = 10047
    package static let messageExceedsMaximum = 10054
    package static let streamNotFound = 10059
    package static let wrongLastMessageID = 10070
    package static let wrongLastSequence = 10071
    package static let notEnabled = 10076
    package static let streamStoreFailed = 10077
    package static let streamSealed = 10109
}
