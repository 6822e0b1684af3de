@testable import Storage
import Testing

@Suite struct SortedBlocksTests {
    @Test func holdsWhatASetHolds() {
        var blocks = SortedBlocks<Int>()
        var reference: Set<Int> = []
        var state: UInt64 = 1
        for step in 0..<20_000 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let number = Int(state >> 50)
            // Grows, then shrinks to almost nothing.
            if state >> 33 & 7 < (step < 10_000 ? 6 : 1) {
                blocks.insert(number)
                reference.insert(number)
            } else {
                let victim = step < 10_000 ? number : reference.min() ?? number
                blocks.remove(victim)
                reference.remove(victim)
            }
            if step % 1000 == 0 { #expect(all(blocks) == reference.sorted()) }
        }
        for number in reference.shuffled() { blocks.remove(number) }
        #expect(all(blocks) == [] && blocks.first { _ in true } == nil)
    }

    @Test func startsAnywhere() {
        var blocks = SortedBlocks<Int>()
        for number in stride(from: 0, to: 4000, by: 2).shuffled() { blocks.insert(number) }
        for start in [-1, 0, 1, 511, 512, 1023, 1024, 3997, 3998, 3999] {
            var found: [Int] = []
            blocks.walk(from: { $0 < start }) {
                found.append($0)
                return found.count < 3 ? .next : .stop
            }
            #expect(found == Array(stride(from: 0, to: 4000, by: 2).filter { $0 >= start }.prefix(3)))
        }
    }

    @Test func seeksAhead() {
        var blocks = SortedBlocks<Int>()
        for number in 0..<4000 { blocks.insert(number) }
        var found: [Int] = []
        blocks.walk(from: { $0 < 10 }) { number in
            found.append(number)
            return .seek { $0 < number + 1000 }
        }
        #expect(found == [10, 1010, 2010, 3010])
    }

    private func all(_ blocks: SortedBlocks<Int>) -> [Int] {
        var all: [Int] = []
        blocks.walk(from: { _ in false }) {
            all.append($0)
            return .next
        }
        return all
    }
}
