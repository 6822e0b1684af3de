import StorageOperations

/// The keys of `http`.
enum HTTPKeys {
    static let section = Section<OperationsOptions?>(
        "Where health, metrics and a page for people are found; without it, nowhere.",
        [
            Setting("listen", .text, "An address and a port: 127.0.0.1:8300, [::1]:8300, or :8300 for all addresses.") {
                let text = try $0.string()
                guard let address = ListenAddress(text) else {
                    throw $0.failure("“\(text)” is not an address and a port, as 127.0.0.1:8300 is")
                }
                $1 = OperationsOptions(address: address)
            }.required,
            Setting("browse", .boolean, "Whether the page tells keys; otherwise where listen is a loopback address.") {
                $1?.browse = try $0.boolean()
            },
            Setting(
                "max_connections", .integer(1...1024), "How many connections there may be at once.",
                initial: { _ in "64" }
            ) {
                $1?.maxConnections = try $0.integer(in: 1...1024)
            },
        ])
}
