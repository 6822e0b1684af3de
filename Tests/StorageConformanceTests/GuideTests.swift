import Foundation
import Testing

@Suite struct GuideTests {
    @Test func theGuideQuotesTheExampleAsItCompiles() throws {
        let folder = URL(filePath: #filePath).deletingLastPathComponent()
        let example = try String(contentsOf: folder.appending(path: "ExampleStore.swift"), encoding: .utf8)
        let guide = try String(
            contentsOf: folder.appending(
                path: "../../Sources/StorageConformance/StorageConformance.docc/WritingAStore.md"),
            encoding: .utf8)
        #expect(guide.contains("```swift\n" + example + "```"))
    }
}
