/// Owns a library's subscription. Letting go unsubscribes.
protocol SubscriptionHandle: AnyObject, Sendable {
    /// Stops receiving; idempotent.
    func unsubscribe()

    /// Tells the server to send no more, and takes what it has sent: completes after that. False where that can't be:
    /// the server is away. Blocks meanwhile.
    func drain() -> Bool
}

/// How long what the server has sent may take to be received.
let drainSeconds = 5
