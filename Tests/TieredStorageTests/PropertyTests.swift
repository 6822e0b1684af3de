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

    /// Stores that fail, over tiers that outlive a crash.
    private static func store(_ tiers: Tiers, _ cold: any Store, _ random: inout Random) -> TieredStore {
        func failing(_ store: any Store, _ random: inout Random) -> any Store {
            [Faults.Moment.before, .after].reduce(store) { store, moment in
                var faults = Faults()
                faults.failProbability = random.chance(0.3) ? 0 : 0.15
                faults.moment = moment
                faults.seed = random.next()
                return FaultyStore(store, faults)
            }
        }
        func limits(_ random: inout Random) -> TierLimits {
            TierLimits(maxObjects: Int.random(in: 1...4, using: &random), demotes: random.chance(0.5))
        }
        var options = TieredStore.Options()
        options.promotion = random.chance(0.7) ? .eager : .lazy
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
        var store = Self.store(tiers, cold, &random)
        var model = Dictionary(uniqueKeysWithValues: Self.keys.map { ($0, Set<[UInt8]?>([nil])) })
        for step in 0..<150 {
            let key = Self.keys.randomElement(using: &random) ?? "a"
            // The process ends, and another begins over the same tiers.
            if random.chance(0.05) { store = Self.store(tiers, cold, &random) }
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
            case 8: _ = try? await store.list(ListQuery(details: true))
            default: await Self.read(store, key, &model, cold, what)
            }
        }
    }

    private static func write(
        _ store: TieredStore, _ key: ObjectKey, _ model: inout [ObjectKey: Set<[UInt8]?>], _ random: inout Random
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
        _ store: TieredStore, _ key: ObjectKey, _ model: inout [ObjectKey: Set<[UInt8]?>]
    ) async {
        do throws(StorageError) {
            _ = try await store.delete(key)
            model[key] = [nil]
        } catch {
            model[key]?.insert(nil)
        }
    }

    private static func read(
        _ store: TieredStore, _ key: ObjectKey, _ model: inout [ObjectKey: Set<[UInt8]?>], _ cold: Recorder,
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
            }
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
