import Foundation
import NATS
import Testing

@Suite struct KeyHeaderTests {
    @Test func spacesAroundAKeyAreKept() async throws {
        let component = try await Component()
        let key = " a key "
        let encoded = Data(key.utf8).base64EncodedString()
        let put = try await component.ask("put", "x", ["Storage-Key-Base64": encoded])
        #expect(put.status == 200)
        #expect(try json(put.body)["key"] as? String == key)
        for payload in [key, ""] {
            let get = try await component.ask("get", payload, payload.isEmpty ? ["Storage-Key-Base64": encoded] : [:])
            #expect(get.status == 200 && get.headers.first("Storage-Key-Base64") == encoded)
            #expect(get.headers.first("Storage-Key") == nil)
        }
        for wrong in ["*", "YQ/", Data("a//b".utf8).base64EncodedString(), Data([0xff]).base64EncodedString()] {
            #expect(try await component.ask("put", "x", ["Storage-Key-Base64": wrong]).status == 400)
        }
        try await component.stop()
    }
}
