public import Storage

/// How two sets of objects differ under one key.
public enum Difference: Sendable, Hashable {
    /// It is on the left alone.
    case onlyLeft(ObjectInfo)
    /// It is on the right alone.
    case onlyRight(ObjectInfo)
    /// The bytes differ.
    case content(left: ObjectInfo, right: ObjectInfo)
    /// The bytes are the same; content type, content encoding or user metadata differ.
    case attributes(left: ObjectInfo, right: ObjectInfo)
    /// Of the same size, but one of them has no digest, so that nobody knows without reading.
    case unknown(left: ObjectInfo, right: ObjectInfo)
    /// They are the same; versions and times are not looked at.
    case same(left: ObjectInfo, right: ObjectInfo)

    /// What is different about two objects of one key.
    public init(left: ObjectInfo, right: ObjectInfo) {
        if left.size != right.size {
            self = .content(left: left, right: right)
        } else if let digest = left.digest, let other = right.digest {
            if digest != other {
                self = .content(left: left, right: right)
            } else {
                let isSame = left.attributes == right.attributes
                self = isSame ? .same(left: left, right: right) : .attributes(left: left, right: right)
            }
        } else {
            self = .unknown(left: left, right: right)
        }
    }
}

/// Infos in the order of their keys, of a store or a snapshot: what is compared.
public struct InfoList: Sendable {
    let next: @Sendable () async throws(StorageError) -> ObjectInfo?

    /// Of everything in a store that begins with `prefix` and follows `startAfter`, page by page.
    public init(_ store: any Store, prefix: String = "", startAfter: String? = nil) {
        next = store.infos(ListQuery(prefix: prefix, startAfter: startAfter)).pull()
    }

    /// Of a snapshot's objects.
    public init(_ reader: SnapshotReader, prefix: String = "") {
        next = { () async throws(StorageError) in
            while let info = try await reader.object() {
                // Where it was taken back it follows again, or it is gone.
                if try await reader.isTakenBack() { continue }
                if info.key.rawValue.utf8HasPrefix(prefix) { return info }
            }
            return nil
        }
    }
}

extension Difference {
    /// Compares two lists, in memory of a page of each.
    ///
    /// - Parameter each: told of every key of either, in order.
    /// - Throws: what reading them throws; `invalid` where one is not in order.
    public static func compare(
        _ left: InfoList, _ right: InfoList, _ each: (Difference) async throws(StorageError) -> Void
    ) async throws(StorageError) {
        var (first, second) = (try await left.next(), try await right.next())
        while true {
            switch (first, second) {
            case (nil, nil): return
            case (let info?, let other) where other.map({ info.key < $0.key }) ?? true:
                try await each(.onlyLeft(info))
                first = try await left.next(after: info)
            case (let other, let info?) where other.map({ info.key < $0.key }) ?? true:
                try await each(.onlyRight(info))
                second = try await right.next(after: info)
            case (let info?, let other?):
                try await each(Difference(left: info, right: other))
                first = try await left.next(after: info)
                second = try await right.next(after: other)
            default: return
            }
        }
    }
}

extension InfoList {
    fileprivate func next(after last: ObjectInfo) async throws(StorageError) -> ObjectInfo? {
        guard let info = try await next() else { return nil }
        guard last.key < info.key else {
            throw StorageError(
                .invalid, "“\(info.key)” follows “\(last.key)”: the keys are not in order", key: info.key.rawValue)
        }
        return info
    }
}
