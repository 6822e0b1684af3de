import Storage
import Testing

@Suite struct ObjectKeyTests {
    @Test(arguments: [
        "a", "a/b", "with space", "ü/日本", "+%~*>", "*", "a/*/b", "...", ".a", "a/..b",
        String(repeating: "k", count: 1024),
    ])
    func valid(_ text: String) throws {
        #expect(try ObjectKey(validating: text).rawValue == text)
    }

    @Test(arguments: [
        "", "/", "/a", "a/", "a//b", ".", "..", "a/./b", "a/../b", "a\u{0}b", "a\nb", "a\u{7f}", "a\u{85}",
        String(repeating: "k", count: 1025), String(repeating: "ü", count: 513),
    ])
    func invalid(_ text: String) {
        let error = #expect(throws: StorageError.self) { try ObjectKey(validating: text) }
        #expect(error?.kind == .invalid)
        #expect(error?.errorClass == .invalid)
    }

    @Test func bytesMustBeUTF8() {
        #expect(throws: StorageError.self) { try ObjectKey(validating: [0xff, 0x61] as [UInt8]) }
    }

    @Test func equalityIsThatOfBytes() throws {
        let composed = try ObjectKey(validating: "\u{e9}")
        let decomposed = try ObjectKey(validating: "e\u{301}")
        #expect(composed != decomposed)
        #expect(Set([composed, decomposed]).count == 2)
        #expect(decomposed < composed)
    }

    @Test(arguments: [
        ("users/*", "users/1", true), ("users/*", "users/1/2", false), ("users/*", "users", false),
        ("*/a", "x/a", true), ("a*/b", "ax/b", false), ("a*/b", "a*/b", true),
    ])
    func patterns(_ pattern: String, _ key: String, _ matches: Bool) throws {
        let pattern = try KeyPattern(validating: pattern)
        #expect(try pattern.matches(ObjectKey(validating: key)) == matches)
    }
}

@Suite struct ByteRangeTests {
    @Test(arguments: [
        ("bytes=0-0", 10, 0..<1), ("bytes=3-", 10, 3..<10), ("bytes=-4", 10, 6..<10), ("bytes=-40", 10, 0..<10),
        ("bytes=2-400", 10, 2..<10), ("bytes=0-9223372036854775807", 5, 0..<5),
        ("bytes=1-99999999999999999999", 5, 1..<5), ("bytes=-99999999999999999999", 5, 0..<5),
    ])
    func resolves(_ text: String, _ size: Int, _ range: Range<Int>) throws {
        #expect(try ByteRange(parsing: text).resolve(size: size) == range)
    }

    @Test(arguments: [
        "", "bytes", "bytes=", "bytes=-", "bytes=2-1", "bytes=a-b", "bytes=1-2,3-4", "bytes=+1-2", "bytes=1--2", "0-1",
    ])
    func refusesSyntax(_ text: String) {
        let error = #expect(throws: StorageError.self) { try ByteRange(parsing: text) }
        #expect(error?.kind == .invalid)
    }

    @Test(arguments: [
        ("bytes=10-", 10), ("bytes=0-", 0), ("bytes=-0", 10), ("bytes=-1", 0), ("bytes=11-12", 10),
        ("bytes=99999999999999999999-", 10),
    ])
    func refusesWhatLiesOutside(_ text: String, _ size: Int) throws {
        let range = try ByteRange(parsing: text)
        let error = #expect(throws: StorageError.self) { try range.resolve(size: size) }
        #expect(error?.kind == .rangeNotSatisfiable)
        #expect(error?.size == size)
    }
}

@Suite struct DigestTests {
    @Test func writesAndReads() throws {
        let digest = Digest(of: Array("hello".utf8))
        #expect(digest.description == "SHA-256=LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=")
        #expect(digest.hexadecimal == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")
        #expect(Digest(digest.description) == digest)
        #expect(Digest(digest.hexadecimal) == digest)
    }

    @Test(arguments: ["", "SHA-256=", "SHA-256=AAAA", "MD5=xx", "zz", "SHA-256=LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQz"])
    func refuses(_ text: String) {
        #expect(Digest(text) == nil)
    }
}
