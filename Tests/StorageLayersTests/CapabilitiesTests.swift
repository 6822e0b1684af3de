import Crypto
import Storage
import StorageLayers
import Testing

/// What the store beneath can do, the layers over it can do; what it can't, they don't claim.
@Suite struct CapabilitiesTests {
    private static let singles: [Capabilities] = [
        .createOnly, .compareAndSwap, .timeToLive, .metadataUpdate, .messageID,
    ]
    private static let all = singles + [[], Capabilities(singles), [.metadataUpdate, .compareAndSwap]]

    private func layers(over base: any Store) throws -> [any Store] {
        [
            CachedStore(base), FaultyStore(base), InstrumentedStore(base, name: "x"),
            LimitedStore(base, maxConcurrent: 1), ObservedStore(base), try PrefixedStore(base, prefix: "p"),
            RetryingStore(base), ThrottledStore(base, ThrottleOptions()),
        ]
    }

    private func transforming(_ base: any Store) throws -> [any Store] {
        let keys = try EncryptionKeys(["1": .init(size: .bits256)], current: "1")
        return [CompressedStore(base), EncryptedStore(base, keys: keys), try BlockStore(base)]
    }

    @Test(arguments: all) func areThoseOfTheStoreBeneath(_ capabilities: Capabilities) throws {
        let base = ProbeStore(capabilities: capabilities)
        for layer in try layers(over: base) { #expect(layer.capabilities == capabilities, "\(type(of: layer))") }
        #expect(ReadOnlyStore(base).capabilities == [])
    }

    /// Those that keep metadata of their own can't change any where another object may come between.
    @Test(arguments: all) func exceptForMetadata(_ capabilities: Capabilities) throws {
        let kept = capabilities.contains(.compareAndSwap) ? capabilities : capabilities.subtracting(.metadataUpdate)
        for layer in try transforming(ProbeStore(capabilities: capabilities)) {
            #expect(layer.capabilities == kept, "\(type(of: layer))")
        }
    }
}
