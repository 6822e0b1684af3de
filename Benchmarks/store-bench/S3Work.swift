import ArgumentParser
import Foundation
import Logging
import S3Storage
import Storage
import Synchronization

extension Work {
    /// Credentials come from the environment; a payload is signed where it is small.
    func s3Work() async throws -> @Sendable (Int) async throws -> Void {
        var configuration = S3Configuration(bucket: bucket)
        configuration.endpoint = url
        configuration.payloadSigning = .unsigned
        configuration.conditionalWrites = .unsupported
        if let partSize { configuration.partSize = partSize }
        if let parallelParts { configuration.parallelParts = parallelParts }
        let store = try await S3Store.open(
            configuration, environment: ProcessInfo.processInfo.environment, logger: Logger(label: "bench"))
        let size = size
        let payload = [UInt8](repeating: 7, count: kind == "stream" ? 0 : size)
        switch kind {
        case "seed": return { try await store.put(Self.key("key", $0), ObjectBody(payload)) }
        case "put": return { try await store.put(Self.key("swift", $0 % 1000), ObjectBody(payload)) }
        case "get": return { try await Self.get(store, $0 % 1000, size, GetOptions()) }
        case "stream":
            return { index in
                let key = try Self.key("stream", index)
                try await store.put(key, Self.stream(size))
                var count = 0
                for try await chunk in try await store.get(key).body { count += chunk.count }
                guard count == size else { throw ValidationError("\(count) bytes") }
            }
        default: throw ValidationError("unknown kind \(kind)")
        }
    }

    /// A body that nobody holds as a whole.
    private static func stream(_ size: Int) -> ObjectBody {
        let chunk = [UInt8](repeating: 7, count: 256 << 10)
        let sent = Mutex(0)
        return ObjectBody(size: nil) { () async throws(StorageError) in
            let count = sent.withLock { sent in
                let count = min(chunk.count, size - sent)
                sent += count
                return count
            }
            return count == 0 ? nil : Array(chunk[..<count])
        }
    }
}

/// What this process has used so far.
struct Usage {
    let cpuMicroseconds: Double
    let peakMebibytes: Double

    static var now: Usage {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        let cpu = [usage.ru_utime, usage.ru_stime].reduce(0) { $0 + Double($1.tv_sec) * 1e6 + Double($1.tv_usec) }
        // Not `ru_maxrss`, which begins with what the parent took.
        let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        let peak = status?.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        let kibibytes = peak?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Double($0) }
        return Usage(cpuMicroseconds: cpu, peakMebibytes: (kibibytes ?? 0) / 1024)
    }
}
