import FoundationEssentials

/// The ids of recent puts and what they stored, for two minutes and at most 65,536 of them.
struct RecentIDs {
    private static let window: TimeInterval = 120
    private static let capacity = 65_536
    // By their bytes: texts may be equal that have other ones.
    private var infos: [[UInt8]: (info: ObjectInfo, recorded: Date)] = [:]
    private var queue: [(id: [UInt8], recorded: Date)] = []
    private var head = 0

    func info(of id: String, now: Date) -> ObjectInfo? {
        infos[Array(id.utf8)].flatMap { now.timeIntervalSince($0.recorded) <= Self.window ? $0.info : nil }
    }

    mutating func record(_ id: String, _ info: ObjectInfo, now: Date) {
        let id = Array(id.utf8)
        infos[id] = (info, now)
        queue.append((id, now))
        while head < queue.count,
            queue.count - head > Self.capacity || now.timeIntervalSince(queue[head].recorded) > Self.window
        {
            let oldest = queue[head]
            if infos[oldest.id]?.recorded == oldest.recorded { infos[oldest.id] = nil }
            head += 1
        }
        if head > 1024 && head > queue.count / 2 {
            queue.removeFirst(head)
            head = 0
        }
    }
}
