import JetStreamStorage
import Storage
import StorageLayers
import TestSupport
import Testing

/// What a get of a link brings is another key's object: what happens to that is not told under the link's key.
@Suite(.jetStream(.newest)) struct CachedLinkTests {
    @Test func whatALinkLeadsToIsNotKeptUnderTheLink() async throws {
        let bucket = try #require(try Subject.store() as? JetStreamStore)
        var options = CacheOptions()
        options.strategy = .lru
        let store = CachedStore(bucket, options)
        try await eventually { store.statistics.isFollowing }
        try await store.put("near", ObjectBody("old"))
        _ = try await bucket.link("link", to: "near")
        for text in ["old", "new"] {
            try await store.put("near", ObjectBody(text))
            for key in ["link", "near", "link", "near"] as [ObjectKey] {
                #expect(try await store.bytes(key) == Array(text.utf8), "\(key)")
            }
        }
    }
}
