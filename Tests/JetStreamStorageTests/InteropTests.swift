import JetStreamStorage
import Storage
import TestSupport
import Testing

/// nats-py reads what this store puts, and the reverse.
@Suite struct InteropTests {
    private static let names = ["plain", "with space", "ü/日本", "+%~*>"]

    @Test(arguments: ServerFlavor.allCases)
    func foreignClientReadsThisStore(_ flavor: ServerFlavor) async throws {
        let fixture = try await Fixture(flavor)
        for (number, name) in Self.names.enumerated() {
            let options = PutOptions(attributes: ObjectAttributes(metadata: ["X": ["1"]]))
            let content = bytes([0, 1, 131_072, 300_000][number])
            _ = try await fixture.store.put(ObjectKey(validating: name), ObjectBody(content), options: options)
        }
        let program = """
            import asyncio, hashlib, sys, nats
            async def main():
                nc = await nats.connect(sys.argv[1])
                bucket = await nc.jetstream().object_store("B")
                for name in sys.argv[2:]:
                    data = (await bucket.get(name)).data or b""
                    print(len(data), hashlib.sha256(data).hexdigest())
                await nc.close()
            asyncio.run(main())
            """
        let output = try await python(program, [fixture.server.url] + Self.names)
        let expected = [0, 1, 131_072, 300_000].map { "\($0) \(Digest(of: bytes($0)).hexadecimal)" }
        #expect(output.split(separator: "\n").map(String.init) == expected)
        await fixture.close()
    }

    @Test(arguments: ServerFlavor.allCases)
    func thisStoreReadsAForeignBucket(_ flavor: ServerFlavor) async throws {
        let server = try await NATSServer(flavor)
        let program = """
            import asyncio, sys, nats
            async def main():
                nc = await nats.connect(sys.argv[1])
                bucket = await nc.jetstream().create_object_store("B")
                for number, name in enumerate(sys.argv[2:]):
                    await bucket.put(name, name.encode() * number * 20000)
                await bucket.put("gone", b"x")
                await bucket.delete("gone")
                await nc.close()
            asyncio.run(main())
            """
        _ = try await python(program, [server.url] + Self.names)
        let fixture = try await Fixture(on: server)
        for (number, name) in Self.names.enumerated() {
            let expected = Array(String(repeating: name, count: number * 20_000).utf8)
            #expect(try await fixture.store.bytes(ObjectKey(validating: name)) == expected)
            guard number > 0 else { continue }
            let part = try await fixture.store.get(
                ObjectKey(validating: name), options: GetOptions(range: .bounded(first: 19_990, last: 20_010)))
            #expect(try await part.body.collect(upTo: 100) == Array(expected[19_990...20_010]))
        }
        let keys = try await fixture.store.list(ListQuery()).keys.map(\.rawValue)
        #expect(keys == Self.names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) })
        await fixture.close()
    }
}
