import Storage
import StorageLayers
import TestSupport
import Testing

@Suite struct ReadOnlyStoreTests {
    @Test func readsPassAndWritesAreRefused() async throws {
        let base = MemoryStore()
        let info = try await base.put("k", ObjectBody("x"))
        let store = ReadOnlyStore(base)
        #expect(try await store.bytes("k") == Array("x".utf8))
        #expect(try await store.info("k") == info)
        #expect(try await store.list(ListQuery()).keys == ["k"])
        #expect(store.capabilities == [])
        let writes: [() async throws -> Void] = [
            { try await store.put("k", ObjectBody("y")) }, { try await store.delete("k") },
            { try await store.delete("none") },
            { _ = try await store.setMetadata("k", ObjectAttributes(), options: SetMetadataOptions()) },
        ]
        for write in writes {
            let error = await #expect(throws: StorageError.self) { try await write() }
            #expect(error?.kind == .unsupported && error?.operation != nil && error?.key != nil)
        }
        #expect(try await base.info("k") == info)
        await store.shutdown()
        await #expect(throws: StorageError.self) { try await base.info("k") }
    }
}
