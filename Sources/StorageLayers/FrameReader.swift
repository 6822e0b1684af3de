import Storage

/// Reads parts of compressed objects: of those in frames no more than the frames that hold the part.
///
/// What was learned of an object's frames is remembered, so that reading it part by part costs one get for each.
struct FrameReader: Sendable {
    /// An object in frames, as it is stored.
    private struct Layout {
        let version: Version
        let stored: Int
        let object: CompressedObject
        let frameSize: Int
    }

    /// Some entries of an object's index.
    private struct PageID: Hashable {
        let key: ObjectKey
        let version: Version
        let number: Int
    }

    /// How many entries of an index are read at once: 48 KiB, for 1 GiB of content.
    private static let page = 4096

    private let base: any Store
    private let hidden: HiddenMetadata
    private let layouts = RecentValues<ObjectKey, Layout>(limit: 1024)
    private let pages = RecentValues<PageID, [UInt8]>(limit: 32)

    init(_ base: any Store, _ hidden: HiddenMetadata) {
        self.base = base
        self.hidden = hidden
    }

    func part(
        _ key: ObjectKey, _ range: ByteRange, _ options: GetOptions
    ) async throws(StorageError) -> StoredObject {
        for _ in 0..<100 {
            if let found = try await remembered(key, range, options) { return found }
            if let found = try await learn(key, range, options) { return found }
        }
        throw StorageError(.unavailable, "the object changes so fast that no part of it can be read; try again")
    }

    /// The part of an object in frames that is known, and has not changed; otherwise nil.
    private func remembered(
        _ key: ObjectKey, _ range: ByteRange, _ options: GetOptions
    ) async throws(StorageError) -> StoredObject? {
        guard let layout = layouts.value(key), options.ifMatch.map({ $0 == layout.version }) ?? true,
            // What is out of its bounds may be within those of another version.
            let bytes = try? range.resolve(size: layout.object.size)
        else { return nil }
        do throws(StorageError) {
            return try await part(key, bytes, layout)
        } catch  where error.kind == .preconditionFailed && options.ifMatch == nil {
            return nil
        } catch  where error.kind == .rangeNotSatisfiable {
            throw Inflation.endsTooEarly
        }
    }

    private func part(
        _ key: ObjectKey, _ bytes: Range<Int>, _ layout: Layout
    ) async throws(StorageError) -> StoredObject {
        let object = layout.object
        let frames = bytes.lowerBound / layout.frameSize..<(bytes.upperBound - 1) / layout.frameSize + 1
        let start = try await start(ofFrame: frames.lowerBound, key, layout)
        let end = try await self.start(ofFrame: frames.upperBound, key, layout)
        guard start < end, end <= layout.stored - FrameIndex(object).size else { throw Self.damagedIndex }
        let found = try await get(key, start..<end, layout.version)
        let content = try InflatingBody.body(found.body, object, frames)
        let first = object.content(ofFrame: frames.lowerBound).lowerBound
        return StoredObject(
            info: object.shown(found.info), range: bytes,
            body: content.slice(bytes.lowerBound - first..<bytes.upperBound - first))
    }

    /// Where a frame starts, and the one before it ends.
    private func start(ofFrame number: Int, _ key: ObjectKey, _ layout: Layout) async throws(StorageError) -> Int {
        let index = FrameIndex(layout.object)
        if number == 0 { return 0 }
        if number == index.count { return layout.stored - index.size }
        let entry = number - 1
        let page = try await page(entry / Self.page, key, layout)
        let place = entry % Self.page * FrameIndex.entrySize
        guard let start = FrameIndex.end(page.dropFirst(place).prefix(FrameIndex.entrySize)) else {
            throw Self.damagedIndex
        }
        return start
    }

    private func page(_ number: Int, _ key: ObjectKey, _ layout: Layout) async throws(StorageError) -> [UInt8] {
        let id = PageID(key: key, version: layout.version, number: number)
        if let page = pages.value(id) { return page }
        let index = FrameIndex(layout.object)
        let entries = number * Self.page..<min((number + 1) * Self.page, index.count)
        let place = index.place(of: entries, stored: layout.stored)
        let page = try await get(key, place, layout.version).body.collect(upTo: place.count)
        pages.add(page, id)
        return page
    }

    private func get(_ key: ObjectKey, _ bytes: Range<Int>, _ version: Version) async throws(StorageError)
        -> StoredObject
    {
        let range = ByteRange.bounded(first: bytes.lowerBound, last: bytes.upperBound - 1)
        return try await base.get(key, options: GetOptions(range: range, ifMatch: version, verify: false))
    }

    /// The part of an object that is not in frames; of others nil, and it is remembered how they are stored.
    private func learn(
        _ key: ObjectKey, _ range: ByteRange, _ options: GetOptions
    ) async throws(StorageError) -> StoredObject? {
        let info: ObjectInfo
        do throws(StorageError) {
            // As most stores answer: those parts that need no more are read at once.
            let found = try await base.get(key, options: options)
            if CompressedObject(found.info, hidden) == nil { return found }
            info = found.info
        } catch  where error.kind == .rangeNotSatisfiable {
            // What lies outside of the compressed bytes may lie within the content.
            info = try await base.info(key, options: InfoOptions(ifMatch: options.ifMatch))
            guard CompressedObject(info, hidden) != nil else { throw error }
        }
        guard let object = CompressedObject(info, hidden) else { return nil }
        let bytes = try range.resolve(size: object.size)
        guard let frameSize = object.frameSize else { return try await cut(key, bytes, info.version, options) }
        guard info.size > FrameIndex(object).size else { throw Inflation.endsTooEarly }
        let layout = Layout(version: info.version, stored: info.size, object: object, frameSize: frameSize)
        layouts.add(layout, key)
        return nil
    }

    /// A part of an object that is one frame: cut out of the whole.
    private func cut(
        _ key: ObjectKey, _ bytes: Range<Int>, _ version: Version, _ options: GetOptions
    ) async throws(StorageError) -> StoredObject? {
        do throws(StorageError) {
            var found = try await base.get(key, options: GetOptions(ifMatch: version, verify: false))
            guard let object = CompressedObject(found.info, hidden) else { return nil }
            found.body = try InflatingBody.body(found.body, object).slice(bytes)
            found.range = bytes
            object.show(in: &found.info)
            return found
        } catch  where error.kind == .preconditionFailed && options.ifMatch == nil {
            return nil
        }
    }

    private static var damagedIndex: StorageError { Inflation.damaged("their index tells no place of theirs") }
}
