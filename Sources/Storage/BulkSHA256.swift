import COpenSSL

/// SHA-256 of much, by OpenSSL, whose AVX2 code takes a seventh less time than swift-crypto's on processors without
/// SHA instructions. Little is hashed as fast by either.
struct BulkSHA256: ~Copyable {
    private let context: OpaquePointer

    init() {
        // Nothing that anybody sends leads here: neither call takes any of it. They fail only where memory is out, which ends
        // the process at any of Swift's own allocations too, or where OpenSSL is configured to have no SHA-256.
        guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
            preconditionFailure("no memory for a hash")
        }
        self.context = context
    }

    deinit {
        EVP_MD_CTX_free(context)
    }

    mutating func update(_ bytes: [UInt8]) {
        _ = bytes.withUnsafeBytes { EVP_DigestUpdate(context, $0.baseAddress, $0.count) }
    }

    /// The digest of everything; nothing may follow.
    mutating func finalize() -> Digest {
        Digest { _ = EVP_DigestFinal_ex(context, $0.baseAddress, nil) }
    }
}
