import FileStorage
import Foundation
import Storage

/// Eight tasks that write, overwrite, delete and read a hundred keys, and count in a few others by compare-and-swap.
struct Race: Sendable {
    let store: FileStore
    let seconds: Double
    /// Tells this process from the others that do the same.
    let name: String

    /// Prints how many increments were made, and a line for each mistake.
    func run() async throws {
        let end = Date.now.addingTimeInterval(seconds)
        let increments = try await withThrowingTaskGroup(of: Int.self) { group in
            for task in 0..<8 { group.addTask { try await work(task, until: end) } }
            return try await group.reduce(0, +)
        }
        print("increments \(increments)")
    }

    private func work(_ task: Int, until end: Date) async throws -> Int {
        var increments = 0
        var round = 0
        while Date.now < end {
            round += 1
            let key = try ObjectKey(validating: "keys/\(Int.random(in: 0..<10))/\(Int.random(in: 0..<10))")
            switch Int.random(in: 0..<10) {
            case 0..<4: try await store.put(key, ObjectBody(content(task, round)))
            case 4..<6: try await store.delete(key)
            case 6..<9: try await read(key)
            default: increments += try await increment()
            }
        }
        return increments
    }

    /// One byte, as often as itself and the size tell: a mix of two contents is no such content.
    private func content(_ task: Int, _ round: Int) -> [UInt8] {
        let byte = UInt8(truncatingIfNeeded: task * 31 + round)
        return [UInt8](repeating: byte, count: 10_000 + Int(byte) * 1000)
    }

    private func read(_ key: ObjectKey) async throws {
        do throws(StorageError) {
            let object = try await store.get(key)
            let bytes = try await object.body.collect(upTo: 1 << 20)
            guard let byte = bytes.first, bytes.count == 10_000 + Int(byte) * 1000,
                bytes.allSatisfy({ $0 == byte }), bytes.count == object.info.size
            else { return print("torn: \(bytes.count) bytes of \(key)") }
        } catch {
            if error.kind != .notFound { print("read: \(error)") }
        }
    }

    private func increment() async throws -> Int {
        let key = try ObjectKey(validating: "counters/\(Int.random(in: 0..<3))")
        do throws(StorageError) {
            let object: StoredObject
            do throws(StorageError) {
                object = try await store.get(key)
            } catch  where error.kind == .notFound {
                _ = try await store.put(key, ObjectBody("1"), options: PutOptions(precondition: .absent))
                return 1
            }
            let count = Int(String(decoding: try await object.body.collect(upTo: 100), as: UTF8.self)) ?? -1
            let options = PutOptions(precondition: .matches(object.info.version))
            _ = try await store.put(key, ObjectBody("\(count + 1)"), options: options)
            return 1
        } catch {
            if error.kind != .preconditionFailed { print("increment: \(error)") }
            return 0
        }
    }
}
