import Foundation
import SanadCore
import SanadLink
import SanadStore
import SanadTestSupport
import Testing

@testable import SanadNode

@Suite("A standby that lost its place", .timeLimit(.minutes(2)))
struct SeedingTests {
    let client = Client()
    /// No disk has so much free space, so only the newest segment of the log is kept.
    static let shortLog = """
        retention:
          minimum_age: 0s
          free_bytes: 16TiB
        """

    @Test("it empties its store, takes a snapshot and the rest of the log, and is in sync again")
    func leftBehind() async throws {
        let pair = try Pair(settings: Self.shortLog)
        let (rabat, marrakech) = try await pair.startBoth()
        _ = try await client.put(rabat.gate, "amina", "1")
        await marrakech.stop()
        try await write(rabat, "b", count: 200)
        try await shorten(rabat)

        let late = try pair.start("marrakech")
        #expect(await reason(late) != nil)
        await late.stop()
        let anew = try pair.start("marrakech")
        try await until("marrakech is whole") {
            anew.gate.status.consistent && anew.gate.status.logEnd == rabat.gate.status.logEnd
        }
        try await until("in sync again") { rabat.gate.status.inSync.count == 2 }
        try await until("all is applied") { try anew.gate.value("b199") == "199" }
        #expect(try anew.gate.value("amina") == "1")
        #expect(try anew.gate.table.makeReader().count() == rabat.gate.table.makeReader().count())
        await rabat.stop()
        try await until("marrakech takes over") { anew.gate.isWritable }
        #expect(try anew.gate.value("b7") == "7")
        await anew.stop()
    }

    @Test("an empty store takes a snapshot without being asked, while writes go on")
    func newStore() async throws {
        let pair = try Pair(settings: Self.shortLog)
        let (rabat, marrakech) = try await pair.startBoth()
        try await write(rabat, "a", count: 300)
        await marrakech.stop()
        try await shorten(rabat)
        try FileManager.default.removeItem(atPath: pair.directory + "/marrakech")

        let empty = try pair.start("marrakech")
        #expect(await reason(empty) != nil)
        await empty.stop()
        let new = try pair.start("marrakech")
        try await write(rabat, "c", count: 100)
        try await until("in sync again") { rabat.gate.status.inSync.count == 2 }
        try await until("all is applied") {
            try new.gate.status.consistent && new.gate.value("c99") == "99"
        }
        #expect(try new.gate.value("a299") == "299")
        #expect(try new.gate.table.makeReader().count() == rabat.gate.table.makeReader().count())
        await rabat.stop()
        await new.stop()
    }

    @Test("a link that breaks in the middle of a snapshot ends neither node, and the load goes on")
    func brokenLink() async throws {
        let pair = try Pair(lease: "3s", settings: Self.shortLog)
        let (rabat, marrakech) = try await pair.startBoth()
        await marrakech.stop()
        let value = "\"" + String(repeating: "x", count: 600_000) + "\""
        for number in 0..<100 {
            _ = try await client.put(rabat.gate, "large\(number)", value)
        }
        try await shorten(rabat)
        try FileManager.default.removeItem(atPath: pair.directory + "/marrakech")
        let empty = try pair.start("marrakech")
        #expect(await reason(empty) != nil)
        await empty.stop()

        let new = try pair.start("marrakech")
        var broken = 0
        try await until("in sync again") {
            let status = new.gate.status
            try #require(status.role != "stopped", "the daemon ended: \(status)")
            if let seeding = status.seeding, seeding.records > 0, broken < 3 {
                // The same node connects anew: its first connection is dropped.
                let other = try pair.connect("marrakech")
                other.close()
                broken += 1
            }
            return rabat.gate.status.inSync.count == 2 && status.consistent
        }
        #expect(broken > 0)
        #expect(try new.gate.value("large99") == value)
        #expect(try new.gate.table.makeReader().count() == rabat.gate.table.makeReader().count())
        await rabat.stop()
        await new.stop()
    }

    private func write(_ node: TestNode, _ prefix: String, count: Int) async throws {
        for number in 0..<count {
            _ = try await client.put(node.gate, "\(prefix)\(number)", "\(number)")
        }
    }

    /// Waits until the log no longer begins at the first transaction.
    private func shorten(_ node: TestNode) async throws {
        #expect(await node.gate.control(.sealSegment).done)
        _ = try await client.put(node.gate, "after", "1")
        let reader = try node.gate.makeLogReader()
        try await until("old log is gone") {
            try reader.segments().first.map { $0.first > Sequence(2) } ?? false
        }
    }

    private func reason(_ node: TestNode) async -> String? {
        if case .startAnew(let reason)? = await node.ending() { reason } else { nil }
    }
}
