import Storage
import TestSupport
import Testing

@Suite struct ValueTests {
    private struct Note: Codable, Hashable {
        var title: String
        var count: Int
    }

    private let store = MemoryStore()

    @Test func valuesComeBack() async throws {
        let note = Note(title: "ü", count: 7)
        let info = try await store.put("note", value: note, as: .json)
        #expect(info.attributes.contentType == "application/json")
        #expect(try await store.bytes("note") == Array(#"{"count":7,"title":"ü"}"#.utf8))
        let (found, foundInfo) = try await store.value("note", as: ValueCoding<Note>.json)
        #expect(found == note && foundInfo == info)
    }

    @Test func aCodingOfOnesOwn() async throws {
        let reversed = ValueCoding<[UInt8]>(encode: { $0.reversed() }, decode: { $0.reversed() })
        let attributes = ObjectAttributes(contentType: "x/y")
        let info = try await store.put("k", value: [1, 2, 3], as: reversed, options: .init(attributes: attributes))
        #expect(info.attributes == attributes)
        #expect(try await store.bytes("k") == [3, 2, 1])
        #expect(try await store.value("k", as: reversed).0 == [1, 2, 3])
    }

    @Test func mistakesAreInvalidAndChangeNothing() async throws {
        let error = await #expect(throws: StorageError.self) {
            try await store.put("k", value: Double.nan, as: .json)
        }
        #expect(error?.kind == .invalid && error?.key == "k")
        #expect(try await !store.exists("k"))
        try await store.put("k", ObjectBody("no JSON"))
        #expect(try await store.exists("k"))
        let second = await #expect(throws: StorageError.self) {
            try await store.value("k", as: ValueCoding<Note>.json)
        }
        #expect(second?.kind == .invalid && second?.errorClass == .invalid)
        let third = await #expect(throws: StorageError.self) {
            try await store.value("missing", as: ValueCoding<Note>.json)
        }
        #expect(third?.kind == .notFound)
    }

    @Test func otherFailuresAreNotAbsence() async throws {
        await store.shutdown()
        await #expect { try await store.exists("k") } throws: { ($0 as? StorageError)?.kind == .unavailable }
    }
}
