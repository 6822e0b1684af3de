import Crypto
import Storage
import StorageLayers
import Synchronization
import TestSupport
import Testing

/// Deep stacks with failures between all layers, against a model: whatever fails, a read finds what was put, whole, and
/// never what was replaced before.
@Suite struct PropertyTests {
    private struct Generator: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (state ^ (state >> 33)) &* 0xff51_afd7_ed55_8ccd
        }
    }

    private static let key = SymmetricKey(data: [UInt8](repeating: 7, count: 32))

    /// Fails before or after one in `1 / probability` operations, and cuts long bodies short.
    private static func unreliable(_ base: any Store, _ seed: UInt64, _ probability: Double) -> any Store {
        var faults = Faults()
        faults.failProbability = probability
        faults.seed = seed
        faults.error = StorageError(seed.isMultiple(of: 2) ? .timeout : .unavailable, "injected")
        faults.moment = seed.isMultiple(of: 3) ? .before : .after
        if probability > 0, seed.isMultiple(of: 5) { faults.cut = .failing(after: 15_000) }
        return FaultyStore(base, faults)
    }

    /// - Parameter probability: of a failure, at each border between layers.
    private static func stack(_ kind: Int, _ memory: MemoryStore, _ seed: UInt64, _ probability: Double) throws
        -> any Store
    {
        var borders = seed
        func border(_ base: any Store) -> any Store {
            borders += 1
            return unreliable(base, borders, probability)
        }
        var retries = RetryOptions()
        retries.baseDelay = .microseconds(1)
        retries.maxDelay = .microseconds(10)
        let retrying = RetryingStore(border(memory), retries)
        var encryption = EncryptionOptions()
        encryption.chunkSize = 1 << 10
        let keys = try EncryptionKeys(["1": key], current: "1")
        var cache = CacheOptions()
        cache.negativeTimeToLive = .seconds(100)
        switch kind {
        case 0:
            let encrypted = EncryptedStore(border(retrying), keys: keys, encryption)
            return CachedStore(border(CompressedStore(border(encrypted))), cache)
        case 1:
            let prefixed = try PrefixedStore(border(retrying), prefix: "a/b")
            cache.maxEntries = 3
            cache.strategy = .lru
            return CachedStore(border(LimitedStore(CachedStore(border(prefixed)), maxConcurrent: 4)), cache)
        default:
            let compressed = CompressedStore(border(try PrefixedStore(border(retrying), prefix: "c")))
            return RetryingStore(border(EncryptedStore(border(compressed), keys: keys, encryption)), retries)
        }
    }

    @Test(arguments: 0..<3, [1, 2, 3, 4, 5, 6] as [UInt64])
    func whateverFailsReadsFindWhatWasPut(_ kind: Int, _ seed: UInt64) async throws {
        let memory = MemoryStore()
        let store = try Self.stack(kind, memory, seed * 100, 0.08)
        var (generator, model) = (Generator(state: seed), Model())
        let keys = try (0..<5).map { try ObjectKey(validating: "dir/key \($0)") }
        for number in 1...400 {
            let key = keys[Int.random(in: 0..<keys.count, using: &generator)]
            switch Int.random(in: 0..<10, using: &generator) {
            case 0...2: await put(number, key, store, &model, &generator)
            case 3: await delete(key, store, &model)
            case 4: await setMetadata(number, key, store, &model)
            case 5: await list(keys, store, model)
            case 6: await info(key, store, &model)
            default: await get(key, store, &model, &generator)
            }
        }
        // Without failures everything can be read, through the same layers and through new ones.
        let sound = try Self.stack(kind, memory, 0, 0)
        for key in keys {
            var fixed = Generator(state: 1)
            await get(key, sound, &model, &fixed, mayFail: false)
            await get(key, store, &model, &fixed)
        }
    }

    private func put(
        _ number: Int, _ key: ObjectKey, _ store: any Store, _ model: inout Model, _ generator: inout Generator
    ) async {
        let written = Model.Written(number: number, contentType: number.isMultiple(of: 2) ? "t/\(number)" : nil)
        var options = PutOptions(attributes: ObjectAttributes(contentType: written.contentType))
        switch Int.random(in: 0..<4, using: &generator) {
        case 0: options.precondition = .absent
        case 1: if let version = model.current[key] { options.precondition = .matches(version) }
        default: break
        }
        let body = Bool.random(using: &generator) ? ObjectBody(written.content) : .stream(written.content, chunk: 300)
        do throws(StorageError) {
            let info = try await store.put(key, body, options: options)
            #expect(info.size == written.content.count && info.digest == Storage.Digest(of: written.content))
            if options.precondition == .absent { #expect(model.states(key).contains(nil), "\(key) was created twice") }
            model.wrote(written, key, info.version)
        } catch  where error.kind == .preconditionFailed {
            switch options.precondition {
            case .none: Issue.record("a plain put: \(error)")
            case .absent: #expect(model.states(key) != [nil], "a create where nothing is: \(error)")
            case .matches: Issue.record("a swap of the version that is there: \(error)")
            }
        } catch {
            expectInjected(error)
            model.mayHold([written], key)
        }
    }

    private func delete(_ key: ObjectKey, _ store: any Store, _ model: inout Model) async {
        do throws(StorageError) {
            let existed = try await store.delete(key)
            if model.states(key) == [nil] { #expect(!existed) }
            model.wrote(nil, key, nil)
        } catch {
            expectInjected(error)
            model.mayHold([nil], key)
        }
    }

    private func setMetadata(_ number: Int, _ key: ObjectKey, _ store: any Store, _ model: inout Model) async {
        let attributes = ObjectAttributes(contentType: "m/\(number)")
        let changed = model.states(key).compactMap { state in
            state.map { Model.Written(number: $0.number, contentType: attributes.contentType) }
        }
        do throws(StorageError) {
            let info = try await store.setMetadata(key, attributes, options: SetMetadataOptions())
            model.mayHold(changed, key)
            model.found(key, info, "a change of metadata") { $0.content.count == info.size }
        } catch  where error.kind == .notFound {
            model.found(key, nil, "a change of metadata") { _ in false }
        } catch  where error.kind == .preconditionFailed {
            // An earlier attempt of its own was in its way.
            model.mayHold(changed, key)
        } catch {
            expectInjected(error)
            model.mayHold(changed, key)
        }
    }

    private func info(_ key: ObjectKey, _ store: any Store, _ model: inout Model) async {
        do throws(StorageError) {
            let info = try await store.info(key)
            model.found(key, info, "an info") {
                $0.content.count == info.size && info.digest == Storage.Digest(of: $0.content)
            }
        } catch  where error.kind == .notFound {
            model.found(key, nil, "an info") { _ in false }
        } catch {
            expectInjected(error)
        }
    }

    private func get(
        _ key: ObjectKey, _ store: any Store, _ model: inout Model, _ generator: inout Generator, mayFail: Bool = true
    ) async {
        let range: ByteRange? = Int.random(in: 0..<3, using: &generator) == 0 ? .from(100) : nil
        do throws(StorageError) {
            let object = try await store.get(key, options: GetOptions(range: range))
            let bytes = try await object.body.collect(upTo: 1 << 20)
            model.found(key, object.info, "a get of \(bytes.count) bytes") { state in
                state.content.dropFirst(object.range.lowerBound).elementsEqual(bytes)
            }
        } catch  where error.kind == .notFound {
            model.found(key, nil, "a get") { _ in false }
        } catch  where error.kind == .rangeNotSatisfiable {
            #expect(model.states(key).contains { $0.map { $0.content.count <= 100 } ?? false })
        } catch {
            if mayFail { expectInjected(error) } else { Issue.record("\(error)") }
        }
    }

    private func list(_ keys: [ObjectKey], _ store: any Store, _ model: Model) async {
        do throws(StorageError) {
            let page = try await store.list(ListQuery(prefix: "dir/", details: true))
            for key in keys {
                let isListed = page.keys.contains(key)
                let isPossible = model.states(key).contains { ($0 != nil) == isListed }
                #expect(isPossible, "\(key) is \(isListed ? "" : "not ")listed")
            }
            for info in page.objects ?? [] {
                #expect(model.states(info.key).contains { $0?.content.count == info.size })
            }
        } catch {
            expectInjected(error)
        }
    }

    private func expectInjected(_ error: StorageError) {
        #expect([.timeout, .unavailable].contains(error.kind), "\(error)")
    }

    private final class Progress: Sendable {
        let begun = Atomic(0)
        let isDone = Atomic(false)
    }

    /// One writer counts; readers of the same store never see a count go back, whatever fails between.
    @Test(arguments: 0..<3) func nobodySeesAnOlderVersionAfterANewerOne(_ kind: Int) async throws {
        let store = try Self.stack(kind, MemoryStore(), UInt64(kind) * 1000, 0.05)
        let key = try ObjectKey(validating: "counter")
        let progress = Progress()
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                for count in 1...300 {
                    progress.begun.store(count, ordering: .sequentiallyConsistent)
                    _ = try? await store.put(key, ObjectBody("\(count) ".repeated(1 + count % 900)))
                    await Task.yield()
                }
                progress.isDone.store(true, ordering: .sequentiallyConsistent)
            }
            for _ in 0..<4 {
                group.addTask {
                    var last = 0
                    while !progress.isDone.load(ordering: .sequentiallyConsistent) {
                        await Task.yield()
                        guard let bytes = try? await store.bytes(key) else { continue }
                        let counts = Set(String(decoding: bytes, as: UTF8.self).split(separator: " "))
                        let count = counts.first.flatMap { Int($0) } ?? -1
                        #expect(counts.count == 1, "a mix of \(counts)")
                        #expect(count >= last && count <= progress.begun.load(ordering: .sequentiallyConsistent))
                        last = count
                    }
                }
            }
        }
        #expect(progress.begun.load(ordering: .sequentiallyConsistent) == 300)
    }
}

extension String {
    fileprivate func repeated(_ count: Int) -> String { String(repeating: self, count: count) }
}
