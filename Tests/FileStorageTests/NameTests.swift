import FileStorage
import Foundation
import Storage
import TestSupport
import Testing

/// Keys as names of files: none leaves the folder, none is taken for another.
@Suite struct NameTests {
    /// What file systems, shells and other programs are known to stumble over.
    static let awkward: [String] = [
        "a", "A", "a/b", "a/B", "A/b", "a.d", "a.d/b", "a.~", "a.~/b", "a.d.d", ".d", ".~", "d", "...", "a/...",
        "..a/b..",
        "a..", "a. ", " a", "a ", "%", "%2e%2e", "%2E%2E/x", "a%2fb", "a%00b", "%.d", "a\\..\\b", "C:", "c:\\x", "nul",
        "NUL",
        "con.txt", "aux/x", "x/com1", "lpt9.tar.gz", "com1.d", "é", "e\u{301}", "É", "ß", "ss", "ſ", "s", "K",
        "\u{212a}", "İ", "i",
        "\u{200b}", "\u{202e}evil", "\u{feff}", "💾/💾", "*", "?", "a|b", "<>", "\"", "'", "$HOME", "~", "~/x", "-rf",
        "--", "a\u{2028}b",
        String(repeating: "x", count: 1024), String(repeating: "x", count: 230), String(repeating: "x", count: 231),
        String(repeating: "x", count: 229) + ".d", String(repeating: "x", count: 230) + ".d",
        String(repeating: "é", count: 512),
        String(repeating: "💾", count: 256), String(repeating: "%", count: 1024), String(repeating: "X", count: 1024),
        String(repeating: "a/", count: 511) + "a", String(repeating: "y", count: 460) + "/z",
        String(repeating: "y", count: 460), String(repeating: "y", count: 461), "objects", "tmp", "lock", "format",
    ]

    @Test(arguments: [false, true])
    func everyKeyIsAnObjectOfItsOwn(isPortable: Bool) async throws {
        let folder = try Folder(isPortable: isPortable)
        let store = try await folder.store(.none)
        let keys = try Self.awkward.map { try ObjectKey(validating: $0) }
        #expect(Set(keys).count == keys.count)
        for key in keys { try await store.put(key, ObjectBody(key.rawValue)) }
        for key in keys { #expect(try await store.bytes(key) == Array(key.rawValue.utf8), "\(key)") }
        #expect(try await store.list(ListQuery(limit: 1000)).keys == keys.sorted())
        for limit in [1, 7] {
            var listed: [ObjectKey] = []
            for try await key in store.keys(ListQuery(limit: limit)) { listed.append(key) }
            #expect(listed == keys.sorted())
        }
        #expect(Set(folder.contents()).isSuperset(of: ["objects", "tmp", "lock", "format"]))
        for path in folder.objects { expectGood(path, isPortable: isPortable) }
        for key in keys { #expect(try await store.delete(key)) }
        #expect(folder.objects == [])
    }

    /// Every name is short enough; portable ones differ by more than case, and mean nothing to any system.
    private func expectGood(_ path: String, isPortable: Bool) {
        let name = path.split(separator: "/").last ?? ""
        #expect(name.utf8.count <= 255 && name != "." && name != "..")
        guard isPortable else { return }
        let plain = Set("abcdefghijklmnopqrstuvwxyz0123456789-_.%~".utf8)
        #expect(name.utf8.allSatisfy(plain.contains), "\(name)")
        #expect(!["con", "nul", "aux", "com1", "lpt9"].contains(name.prefix { $0 != "." }), "\(name)")
        #expect(name.utf8.last != UInt8(ascii: "."))
    }

    /// Names can be read by a person.
    @Test func ordinaryKeysAreTheirOwnNames() async throws {
        let folder = Folder()
        let store = try await folder.store(.none)
        try await store.put("reports/2026/may.txt", ObjectBody("x"))
        #expect(folder.objects == ["reports.d", "reports.d/2026.d", "reports.d/2026.d/may.txt"])
    }

    @Test func randomKeysListInOrder() async throws {
        let folder = try Folder(isPortable: true)
        let store = try await folder.store(.none)
        var keys: Set<ObjectKey> = []
        let pieces = ["a", "b", "A", ".d", ".", "/", "~", "%", "é", "-", "0"]
        while keys.count < 300 {
            let text = (0..<Int.random(in: 1...12)).compactMap { _ in pieces.randomElement() }.joined()
            if let key = ObjectKey(text) { keys.insert(key) }
        }
        for key in keys { try await store.put(key, ObjectBody("x")) }
        #expect(try await store.list(ListQuery(limit: 1000)).keys == keys.sorted())
        let memory = MemoryStore()
        for key in keys { try await memory.put(key, ObjectBody("x")) }
        for prefix in ["", "a", "a/", "A", ".", "%", "é", "b/a"] {
            for delimiter in [nil, "/", "a", ".d"] {
                var query = ListQuery(prefix: prefix, delimiter: delimiter, limit: 5)
                repeat {
                    let (page, expected) = (try await store.list(query), try await memory.list(query))
                    #expect(page == expected, "\(query)")
                    query.startAfter = expected.next
                } while query.startAfter != nil
            }
        }
    }

    /// A store keeps the names it was made with; another version's folder is refused.
    @Test func theFormatIsKept() async throws {
        let folder = try Folder(isPortable: true)
        var store = try await folder.store(.none)
        try await store.put("A", ObjectBody("x"))
        await store.shutdown()
        store = try await folder.store(.none)
        #expect(folder.objects == ["%41"])
        #expect(try await store.bytes("A") == Array("x".utf8))
        try folder.write("nats-storage files 2 exact\n", to: "format")
        await #expect { try await folder.store() } throws: { ($0 as? StorageError)?.kind == .invalid }
    }
}
