public import FoundationEssentials

/// A store that has to be looked after now and then: what expired has to go, and what writers left behind that died.
///
/// What expired is not found whether or not anybody does this: it frees room, and it tells.
public protocol MaintainedStore: Store {
    /// Does what is due now, within bounds, and says when to call again.
    ///
    /// Of any number of callers, other processes included, one is told of each object that expired. A call that is
    /// cancelled or throws has done a part of it, and what it removed is not told.
    ///
    /// - Throws: `unavailable`, `timeout`: calling again later goes on.
    func maintain() async throws(StorageError) -> Upkeep
}

/// What a round of looking after a store did.
public struct Upkeep: Sendable {
    /// The objects whose time was over and that this call removed, in the order of their times.
    public var expired: [ObjectInfo]
    /// When something will be due again, as far as is known; not in the future: there is more now.
    public var next: Date

    /// What was done.
    public init(expired: [ObjectInfo] = [], next: Date) {
        self.expired = expired
        self.next = next
    }
}
