import Encodings
import Foundation
import Storage
import Testing

@Suite struct EncodingTests {
    @Test func timesRoundTrip() {
        for seconds in [0, 1, 951_782_400.5, 1_709_164_799.999, 4_102_444_800, -1] {
            let text = RFC3339.format(Date(timeIntervalSince1970: seconds))
            let foreign = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
            #expect(text == Date(timeIntervalSince1970: seconds).formatted(foreign))
            #expect(RFC3339.parse(text)?.timeIntervalSince1970 == seconds)
        }
        #expect(RFC3339.parse("2024-02-29T12:30:00.123456789+02:30")?.timeIntervalSince1970 == 1_709_200_800.123456789)
        for _ in 0..<1000 {
            let time = (Double.random(in: -1e11...1e11) * 1000).rounded() / 1000
            let text = RFC3339.format(Date(timeIntervalSince1970: time))
            guard (0...253_402_300_799).contains(time) else { continue }
            #expect(abs((RFC3339.parse(text)?.timeIntervalSince1970 ?? 0) - time) < 0.0005, "\(text)")
        }
        for text in [
            "", "2024", "2024-13-01T00:00:00Z", "2024-01-01T00:00:00", "2024-01-01T24:00:00Z", "x",
            "2024-01-01T00:00:00.Z",
        ] {
            #expect(RFC3339.parse(text) == nil, "\(text)")
        }
        #expect(!RFC3339.format(Date(timeIntervalSince1970: .nan)).isEmpty)
        #expect(!RFC3339.format(.distantFuture).isEmpty && !RFC3339.format(Date(timeIntervalSince1970: 1e300)).isEmpty)
    }

    @Test func timesOfHeadersAreRead() {
        let foreign = DateFormatter()
        foreign.locale = Locale(identifier: "en_US_POSIX")
        foreign.timeZone = .gmt
        foreign.dateFormat = "EEE, dd MMM yyyy HH:mm:ss 'GMT'"
        for seconds in stride(from: 0.0, to: 4_102_444_800, by: 86_400 * 13 + 3_607) {
            let text = foreign.string(from: Date(timeIntervalSince1970: seconds))
            #expect(HTTPDate.parse(text)?.timeIntervalSince1970 == seconds, "\(text)")
        }
        for text in [
            "", "Sat, 31 Jan 2026", "Sat, 31 Jan 2026 23:59:59 UTC", "Sat, 31 jan 2026 23:59:59 GMT",
            "Sat, 32 Jan 2026 23:59:59 GMT", "Sat, 31 Jan 2026 24:00:00 GMT", "Saturday, 31-Jan-26 23:59:59 GMT",
            "Sat, 31 Jan 2026 23:59:59 GMT ",
        ] {
            #expect(HTTPDate.parse(text) == nil, "\(text)")
        }
    }

    @Test func base64IsFoundations() {
        for count in 0..<70 {
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255) }
            let standard = Data(bytes).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_")
            #expect(Base64URL.encode(bytes) == standard)
            #expect(Base64URL.decode(standard) == bytes)
            #expect(Base64URL.decode(standard.replacing("=", with: "")) == bytes)
        }
        for text in ["A", "A=", "AA=A", "AA===", "A+==", "=", "ÄÄ==", "AAA=="] {
            #expect(Base64URL.decode(text) == nil, "\(text)")
        }
    }

    @Test func whatIsWrittenIsRead() throws {
        let texts = ["", "plain", "\"\\/\n\r\t\u{8}\u{c}\u{0}", "ü日本🎈", String(repeating: "x", count: 5000)]
        var writer = JSONWriter()
        writer.object { writer in
            writer.field("texts", texts)
            writer.field("number", -42)
            writer.field("big", UInt64.max)
            writer.object("inner") { $0.field("flag", true) }
        }
        let foreign = try JSONSerialization.jsonObject(with: Data(writer.bytes)) as? [String: Any]
        #expect(foreign?["texts"] as? [String] == texts)
        var (read, number, big, flag) = ([String](), 0, UInt64(0), false)
        try JSONScanner.object(writer.bytes) { name, scanner throws(JSONScanner.Malformed) in
            switch name {
            case "texts":
                try scanner.array { scanner throws(JSONScanner.Malformed) in read.append(try scanner.string()) }
            case "number": number = try scanner.integer()
            case "big": big = try scanner.unsigned()
            default:
                try scanner.object { _, scanner throws(JSONScanner.Malformed) in flag = try scanner.boolean() }
            }
        }
        #expect(read == texts && number == -42 && big == .max && flag)
        let escaped = Array(#"{"a": "\u00e9\ud83c\udf88\/", "b": [1.5e3, null, {"c": []}]}"#.utf8)
        var text = ""
        try JSONScanner.object(escaped) { name, scanner throws(JSONScanner.Malformed) in
            if name == "a" { text = try scanner.string() } else { try scanner.skip() }
        }
        #expect(text == "é🎈/")
    }

    @Test(arguments: [
        ("1", true), ("-0.50e+9", true), (" {\"a\":[1,{}, []],\"a\":null}\n", true), ("\"\\u00e9\"", true),
        ("[[[]]]", true),
        ("", false), ("[1,]", false), ("{\"a\":1,}", false), ("01", false), ("+1", false), ("1.", false), (".5", false),
        ("-", false), ("1e", false), ("[1 2]", false), ("[1}", false), ("{\"a\"}", false), ("{1:2}", false),
        ("1 1", false),
        ("\u{feff}1", false), ("\"\t\"", false), ("]", false), ("nul", false), ("NaN", false),
        (String(repeating: "[", count: 512) + String(repeating: "]", count: 512), true),
        (String(repeating: "[", count: 513) + String(repeating: "]", count: 513), false),
    ])
    func whatIsJSON(_ text: String, _ isJSON: Bool) {
        #expect(JSONScanner.isJSON(Array(text.utf8)) == isJSON)
    }

    @Test func whatIsNoUTF8IsNoJSON() {
        #expect(!JSONScanner.isJSON([0x22, 0xff, 0x22]))
        #expect(!JSONScanner.isJSON([0xff, 0xfe, 0x31, 0]))
    }

    @Test func garbageIsRefused() {
        let deep = String(repeating: "[", count: 100_000)
        let documents = [
            "", "[]", "{", "{}x", #"{"a"}"#, #"{"a":}"#, #"{"a":1,}"#, #"{"a":"\x"}"#, #"{"a":"\ud83c"}"#,
            #"{"a":tru}"#,
            "{\"a\":\"\n\"}", #"{"a":"\u12"}"#, "{\"a\":\(deep)", #"{"a":1 2}"#, #"{"a":--1}"#, #"{a:1}"#,
        ]
        for document in documents {
            #expect(throws: JSONScanner.Malformed.self, "\(document.prefix(30))") { try skim(Array(document.utf8)) }
        }
        #expect(throws: JSONScanner.Malformed.self) { try skim([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]) }
        // Whatever the bytes, it ends without a trap.
        let alphabet = Array(#"{}[]",:\u0x1-e.tfn "#.utf8) + [0xff, 0]
        for _ in 0..<20_000 {
            try? skim((0..<Int.random(in: 0..<30)).map { _ in alphabet.randomElement() ?? 0 })
        }
    }

    private func skim(_ bytes: [UInt8]) throws {
        try JSONScanner.object(bytes) { _, scanner throws(JSONScanner.Malformed) in try scanner.skip() }
    }
}
