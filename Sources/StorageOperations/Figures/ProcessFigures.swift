import FoundationEssentials
import Glibc

/// What the system says of this process.
struct ProcessFigures: Sendable {
    let cpuSeconds: Double
    let residentBytes: Int
    let virtualBytes: Int
    let openFiles: Int
    let maxFiles: Int
    let threads: Int
    /// In seconds since 1970.
    let startTime: Double

    /// Nil where the system says nothing.
    init?() {
        // The second field, the program's name, is in parentheses and may hold anything.
        guard let text = Self.text("/proc/self/stat"), let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[end...].split(separator: " ").dropFirst().compactMap {
            Double($0) ?? ($0.count == 1 ? 0 : nil)
        }
        let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
        guard fields.count > 21, ticks > 0 else { return nil }
        cpuSeconds = (fields[11] + fields[12]) / ticks
        threads = Int(fields[17])
        virtualBytes = Int(fields[20])
        residentBytes = Int(fields[21]) * sysconf(Int32(_SC_PAGESIZE))
        startTime = Self.bootTime + fields[19] / ticks
        openFiles = Self.countOpenFiles()
        var limit = rlimit()
        let isKnown = getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0
        maxFiles = isKnown ? Int(clamping: limit.rlim_cur) : 0
    }

    /// When the system started, which does not change. /proc/stat tells it too, but is hidden in a sandbox.
    private static let bootTime = seconds(CLOCK_REALTIME) - seconds(CLOCK_BOOTTIME)

    private static func seconds(_ clock: Int32) -> Double {
        var time = timespec()
        clock_gettime(clock, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// The list's own file is not counted.
    private static func countOpenFiles() -> Int {
        guard let folder = opendir("/proc/self/fd") else { return 0 }
        defer { closedir(folder) }
        var count = 0
        while readdir(folder) != nil { count += 1 }
        return max(0, count - 3)
    }

    /// The system makes these files as they are read, from memory.
    private static func text(_ path: String) -> String? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 64 << 10)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes[..<count], as: UTF8.self)
    }
}
