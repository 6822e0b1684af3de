extension Duration {
    /// In whole milliseconds, as C libraries want their timeouts: at least one, at most a thousand days' worth.
    package var milliseconds: Int64 {
        let (seconds, attoseconds) = components
        return max(1, min(max(seconds, 0), 86_400_000) * 1000 + max(attoseconds, 0) / 1_000_000_000_000_000)
    }
}
