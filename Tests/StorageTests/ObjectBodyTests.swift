import Storage
import Testing

@Suite struct ObjectBodyTests {
    /// Sizes are what somebody said.
    @Test func aSizeThatIsNotTrueTakesNoMemory() async throws {
        let body = ObjectBody(size: .max) { () async throws(StorageError) in nil }
        #expect(try await body.collect(upTo: .max) == [])
    }
}
