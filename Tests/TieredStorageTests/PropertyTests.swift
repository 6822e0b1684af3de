import Storage
import StorageLayers
import TestSupport
import Testing
import TieredStorage

/// Random operations, failures at every border between tiers, and crashes between them, against a model.
///
/// Each test runs for many seeds, which its name tells where it fails: the same seed repeats the same run.
@Suite struct PropertyTests {
    private static let keys: [ObjectKey] = ["a", "b", "c"]

    private typealias Model = [ObjectKey: Set<[UInt8]?>]

    /// Stores that fail, over tiers that outlive a crash; where others write too, cold is always asked.
    private static func store(
        _ tiers: Tiers, _ cold: any Store, _ random: inout Random, besideOthers: Bool = false
    ) -> TieredStore {
        func failing(_ store: any Store, _ random: inout Random) -> any Store {
            [Faults.Moment.before, .after].reduce(store) { store, moment in
                var faults = Faults()
                faults.failProbability = random.chance(0.3) ? 0 : 0.15
                faults.moment = moment
                faults.seed = random.next()
                if random.chance(0.2) { faults.cut = .failing(after: Int.random(in: 0...300, using: &random)) }
                return FaultyStore(store, faults)
            }
        }
        func limits(_ random: inout Random) -> TierLimits {
            TierLimits(maxObjects: Int.random(in: 1...4, using: &random), demotes: random.chance(0.5))
        }
        var options = TieredStore.Options()
        options.promotion = random.chance(0.7) ? .eager : .lazy
        if besideOthers { options.revalidateAfter = .zero }
        // Some bodies go as bytes, and some as streams.
        options.bufferLimit = 100
        return TieredStore(
            hot: random.chance(0.8) ? .init(failing(tiers.hot, &random), limits: limits(&random)) : nil,
            warm: random.chance(0.8) ? .init(failing(tiers.warm, &random), limits: limits(&random)) : nil,
            cold: failing(cold, &random), options: options)
    }

    /// One client. What a key may hold is a set: after an operation that failed, before and after; a read narrows it.
    @Test(arguments: 1...60) func oneClientReadsWhatItWrote(_ seed: UInt64) async throws {
        var random = Random(state: seed)
        let tiers = Tiers()
        let cold = Recorder(tiers.cold)
        let hasOthers = random.chance(0.4)
        var store = Self.store(tiers, cold, &random, besideOthers: hasOthers)
        var model = Dictionary(uniqueKeysWithValues: Self.keys.map { ($0, Set<[UInt8]?>([nil])) })
        for step in 0..<150 {
            let key = Self.keys.randomElement(using: &random) ?? "a"
            // The process ends, and another begins over the same tiers.
            if random.chance(0.05) { store = Self.store(tiers, cold, &random, besideOthers: hasOthers) }
            if hasOthers, random.chance(0.1) { try await Self.writePast(cold, key, &model, &random) }
            let what: Comment = "seed \(seed), step \(step), \(key)"
            switch Int.random(in: 0..<14, using: &random) {
            case 0..<3: await Self.write(store, key, &model, &random)
            case 3: await Self.delete(store, key, &model)
            case 4: _ = try? await store.promote(key, to: random.chance(0.5) ? .hot : .warm)
            case 5:
                // Attributes change; what is read does not.
                _ = try? await store.setMetadata(key, ObjectAttributes(), options: SetMetadataOptions())
            case 6: _ = try? await store.touch(key)
            case 7:
                _ = try? await store.maintain()
                if random.chance(0.3) { try? await store.recover() }
            case 8: await Self.list(store, &model, what)
            case 9: await Self.readPart(store, key, Int.random(in: 0...300, using: &random), &model, what)
            default: await Self.read(store, key, &model, cold, what)
            }
        }
    }

    private static func write(
        _ store: TieredStore, _ key: ObjectKey, _ model: inout Model, _ random: inout Random
    ) async {
        let content = bytes(Int.random(in: 0...300, using: &random)) + Array("\(random.next())".utf8)
        let body = random.chance(0.5) ? ObjectBody(content) : stream(content, chunk: 64)
        var options = TieredPutOptions(skip: random.chance(0.2) ? [.hot] : [])
        let isConditional = random.chance(0.3)
        if isConditional { options.put.precondition = .absent }
        do throws(StorageError) {
            _ = try await store.write(key, body, options: options)
            model[key] = [content]
        } catch {
            // A refusal may itself be what a lost acknowledgement left; a failure may have stored it.
            if error.kind != .preconditionFailed { model[key]?.insert(content) }
        }
    }

    private static func delete(
        _ store: TieredStore, _ key: ObjectKey, _ model: inout Model
    ) async {
        do throws(StorageError) {
            _ = try await store.delete(key)
            model[key] = [nil]
        } catch {
            model[key]?.insert(nil)
        }
    }

    private static func read(
        _ store: TieredStore, _ key: ObjectKey, _ model: inout Model, _ cold: Recorder,
        _ what: Comment
    ) async {
        let found: [UInt8]?
        do throws(StorageError) {
            let object = try await store.get(key)
            let content = try await object.body.collect(upTo: 1000)
            await expectWhole(object.info, content, cold, what)
            found = content
        } catch {
            guard error.kind == .notFound else { return }
            found = nil
        }
        #expect(model[key]?.contains(found) == true, what)
        model[key] = [found]
    }

    /// Another process writes to cold.
    private static func writePast(
        _ cold: Recorder, _ key: ObjectKey, _ model: inout Model, _ random: inout Random
    ) async throws {
        if random.chance(0.3) {
            _ = try await cold.delete(key, options: DeleteOptions())
            model[key] = [nil]
        } else {
            let content = Array("another's \(random.next())".utf8)
            try await cold.put(key, ObjectBody(content))
            model[key] = [content]
        }
    }

    /// What is listed is read from then on, and what is not is gone.
    private static func list(_ store: TieredStore, _ model: inout Model, _ what: Comment) async {
        guard let page = try? await store.list(ListQuery(details: true)) else { return }
        for key in keys {
            let info = page.objects?.first { $0.key == key }
            narrow(key, &model, what) { content in content.map { Digest(of: $0) } == info?.digest }
        }
    }

    private static func readPart(
        _ store: TieredStore, _ key: ObjectKey, _ start: Int, _ model: inout Model, _ what: Comment
    ) async {
        do throws(StorageError) {
            let part = try await store.get(key, options: GetOptions(range: .from(start)))
            let found = try await part.body.collect(upTo: 1000)
            #expect(part.range == start..<part.info.size && found.count == part.range.count, what)
            narrow(key, &model, what) { content in content.map { Array($0.dropFirst(start)) == found } ?? false }
        } catch {
            switch error.kind {
            case .notFound: narrow(key, &model, what) { $0 == nil }
            case .rangeNotSatisfiable: narrow(key, &model, what) { content in (content?.count ?? .max) <= start }
            default: break
            }
        }
    }

    private static func narrow(
        _ key: ObjectKey, _ model: inout Model, _ what: Comment, to isPossible: ([UInt8]?) -> Bool
    ) {
        let possible = (model[key] ?? []).filter(isPossible)
        #expect(!possible.isEmpty, what)
        model[key] = possible
    }

    private static func expectWhole(
        _ info: ObjectInfo, _ content: [UInt8], _ cold: Recorder, _ what: Comment
    ) async {
        let digest = Digest(of: content)
        #expect(info.size == content.count && info.digest == digest, what)
        #expect(await cold.record(of: info.version) == Recorder.Record(key: info.key, digest: digest), what)
    }

    /// Several clients at once: what each reads is whole, was stored in cold as the version it says, and its versions
    /// of a key never go back.
    @Test(arguments: 1...20) func manyClientsNeverGoBack(_ seed: UInt64) async throws {
        var random = Random(state: seed)
        let tiers = Tiers()
        let cold = Recorder(tiers.cold)
        for _ in 0..<3 {
            let store = Self.store(tiers, cold, &random)
            let seeds = (0..<6).map { _ in random.next() }
            await withTaskGroup(of: Void.self) { group in
                for client in seeds {
                    group.addTask { await Self.client(store, Random(state: client), cold, "seed \(seed)") }
                }
                // And a process that knows nothing of them.
                let others = Self.keys.map { ($0, random.next()) }
                for (key, seed) in others {
                    group.addTask { await Self.stranger(cold, key, Random(state: seed)) }
                }
            }
        }
    }

    private static func stranger(_ cold: Recorder, _ key: ObjectKey, _ random: Random) async {
        var random = random
        for _ in 0..<30 {
            if random.chance(0.4) {
                _ = try? await cold.delete(key)
            } else {
                _ = try? await cold.put(key, ObjectBody("another's"))
            }
            for _ in 0..<Int.random(in: 0...20, using: &random) { await Task.yield() }
        }
    }

    private static func client(_ store: TieredStore, _ random: Random, _ cold: Recorder, _ what: Comment) async {
        var random = random
        var newest: [ObjectKey: Int] = [:]
        func saw(_ info: ObjectInfo) {
            // The versions of a memory store count up.
            let version = Int(info.version.description) ?? -1
            #expect(version >= newest[info.key] ?? 0, what)
            newest[info.key] = version
        }
        for _ in 0..<60 {
            guard let key = keys.randomElement(using: &random) else { return }
            let before = cold.newest(of: key)
            do throws(StorageError) {
                switch Int.random(in: 0..<8, using: &random) {
                case 0, 1:
                    let content = bytes(Int.random(in: 0...300, using: &random)) + Array("\(random.next())".utf8)
                    let body = random.chance(0.5) ? ObjectBody(content) : stream(content, chunk: 64)
                    saw(try await store.put(key, body))
                case 2:
                    saw(try await store.setMetadata(key, ObjectAttributes(), options: SetMetadataOptions()))
                case 3: saw(try await store.info(key))
                case 4 where random.chance(0.3): try await store.delete(key)
                default:
                    let object = try await store.get(key)
                    let content = try await object.body.collect(upTo: 1000)
                    await expectWhole(object.info, content, cold, what)
                    saw(object.info)
                }
            } catch {
                let expected: [StorageError.Kind] = [.notFound, .unavailable]
                #expect(expected.contains(error.kind), "\(what): \(error)")
                // What was there when it asked is gone, and does not come back.
                if error.kind == .notFound { newest[key] = max(newest[key] ?? 0, before + 1) }
            }
        }
    }
}

/// A small generator whose runs can be repeated.
struct Random: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }

    mutating func chance(_ probability: Double) -> Bool { Double.random(in: 0..<1, using: &self) < probability }
}
