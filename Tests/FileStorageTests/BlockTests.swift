import FileStorage
import Foundation
import Storage
import StorageConformance
import StorageLayers
import TestSupport
import Testing

/// Blocks in files.
@Suite struct BlockTests {
    @Test func conformance() async throws {
        let folder = Folder()
        let base = try await folder.store(.none)
        let store = try BlockStore(base)
        // The longest keys leave no room for the layer's own part: they are refused.
        let cases = ConformanceSuite.cases.filter { $0.name != "keys/of-1024-bytes" }
        try await forEach(cases, atOnce: 8) { one in
            if let complaint = await one.run(on: store).complaint { Issue.record("\(one.name): \(complaint)") }
        }
        #expect(try await store.list(ListQuery()) == ListPage())
        // What is left are blocks that nothing refers to.
        let late = try BlockStore(base, now: { Date.now.addingTimeInterval(4000) })
        #expect(try await late.collect().removed > 0)
        #expect(folder.objects == [])
    }

    @Test func aDamagedFileIsFound() async throws {
        let folder = Folder()
        let store = try BlockStore(try await folder.store(.none))
        let content = bytes(2_500_000)
        try await store.put("a", ObjectBody(content))
        let files = folder.objects.filter { $0.hasPrefix("blocks.d/") }
        #expect(files.count == 3)
        let file = URL(filePath: folder.path + "/objects/" + files[1])
        var data = try Data(contentsOf: file)
        data[1000] ^= 1
        try data.write(to: file)
        let check = try await store.check(removingDamaged: true)
        #expect(check.checked == 3 && check.damaged.map(\.hexadecimal) == [String(files[1].dropFirst(9))])
        try await store.put("a", ObjectBody(content))
        #expect(try await store.bytes("a") == content)
    }
}
