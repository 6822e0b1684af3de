import Testing
import Waiting

@Suite struct WaitQueueTests {
    @Test func whoLeavesIsPassedOver() {
        var queue = WaitQueue<Int>()
        let numbers = (0..<200).map { _ in WaitNumber() }
        for (waiter, number) in numbers.enumerated() { queue.append(waiter, number) }
        for number in numbers where number != numbers[7] && number != numbers[180] { _ = queue.remove(number) }
        #expect(queue.remove(numbers[0]) == nil)
        #expect(queue.count == 2)
        #expect(queue.first == 7)
        let late = WaitNumber()
        queue.append(200, late)
        #expect([queue.popFirst(), queue.popFirst(), queue.popFirst(), queue.popFirst()] == [7, 180, 200, nil])
        #expect(queue.isEmpty && queue.remove(late) == nil)
    }
}
