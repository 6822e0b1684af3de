import FoundationEssentials
import Storage
import Testing

@Suite struct PluginTests {
    private func message(
        _ payload: String, headers: [(name: String, value: String)] = []
    ) -> Message {
        Message(
            subject: "sensors.1", headers: headers, payload: Array(payload.utf8),
            timestamp: Date(timeIntervalSince1970: 1_728_383_400))
    }

    @Test func timeKeysLieInTheirHour() throws {
        let generator = try TimeKeyGenerator(prefix: "message")
        let key = try #require(generator.key(for: message("x"))).rawValue
        #expect(key.hasPrefix("message/2024/10/08/10/"))
        #expect(key.hasSuffix("_1728383400"))
        #expect(generator.key(for: message("x"))?.rawValue != key)
    }

    @Test func entityComesFromHeaderOrPayload() throws {
        let generator = try EntityKeyGenerator(prefix: "e", header: "Id", field: "entity.id")
        let fromPayload = generator.key(for: message(#"{"entity":{"id":"drone-1"}}"#))
        #expect(try #require(fromPayload).rawValue.hasPrefix("e/drone-1/2024/10/08/10/1728383400_"))
        let fromHeader = generator.key(for: message("no json", headers: [("Id", "7")]))
        #expect(try #require(fromHeader).rawValue.hasPrefix("e/7/"))
        #expect(generator.key(for: message("no json")) == nil)
        #expect(generator.key(for: message("", headers: [("Id", "../x")])) == nil)
    }

    @Test func digestKeysFollowContent() throws {
        let generator = try DigestKeyGenerator(prefix: "d")
        let hash = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
        #expect(generator.key(for: message("hello"))?.rawValue == "d/" + hash)
    }

    @Test func compositeTakesTheFirstKey() throws {
        let generator = CompositeKeyGenerator([try EntityKeyGenerator(), try NUIDKeyGenerator(prefix: "n")])
        #expect(try #require(generator.key(for: message("x"))).rawValue.hasPrefix("n/"))
        #expect(CompositeKeyGenerator([]).key(for: message("x")) == nil)
    }

    @Test func badPrefixesAreRefused() {
        #expect(throws: StorageError.self) { try TimeKeyGenerator(prefix: "/a") }
        #expect(throws: StorageError.self) { try NUIDKeyGenerator(prefix: "a//b") }
    }

    @Test func metadataFromHeaders() {
        let headers = [("Storage-Meta-a", "1"), ("Storage-Meta-a", "2"), ("Other", "x"), ("Storage-Meta-", "y")]
        let extractor = HeaderMetadataExtractor(names: ["Other"])
        let found = extractor.metadata(of: message("", headers: headers.map { (name: $0.0, value: $0.1) }))
        #expect(found == ["a": ["1", "2"], "Other": ["x"]])
    }

    @Test func metadataFromJSON() {
        let extractor = JSONMetadataExtractor(fields: ["a.b", "list", "none", "object"])
        let found = extractor.metadata(of: message(#"{"a":{"b":1.5},"list":["x",2,null],"none":null,"object":{}}"#))
        #expect(found == ["a.b": ["1.5"], "list": ["x", "2"]])
        #expect(extractor.metadata(of: message("garbage")).isEmpty)
    }

    @Test func compositeMetadataMerges() {
        let extractor = CompositeMetadataExtractor([
            HeaderMetadataExtractor(), JSONMetadataExtractor(fields: ["a"]), NoMetadataExtractor(),
        ])
        let found = extractor.metadata(
            of: message(#"{"a":2}"#, headers: [("Storage-Meta-a", "1"), ("Storage-Meta-b", "3")]))
        #expect(found == ["a": ["2"], "b": ["3"]])
    }
}
