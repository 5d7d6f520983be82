import SanadCore
import SanadTestSupport
import Testing

@testable import SanadNode

@Suite("What the trail and the figures say of a role", .timeLimit(.minutes(2)))
struct RoleHistoryTests {
    private func audit(_ node: TestNode) async -> [String] {
        await node.gate.control(.history).lines.filter { $0.hasPrefix("audit") }
    }

    @Test("a command leaves its beginning and its outcome, done or not")
    func outcomes() async throws {
        let pair = try Pair()
        let (rabat, marrakech) = try await pair.startBoth()
        #expect(await rabat.gate.operate(.switchover).done)
        let lines = await audit(rabat)
        #expect(lines.count == 2)
        #expect(lines.last?.contains("by test: switchover: epoch 1: test") == true, "\(lines)")
        #expect(
            lines.first?.contains("switchover done: epoch 2: marrakech is primary") == true,
            "\(lines)")
        await marrakech.stop()
        await rabat.stop()
    }

    @Test("when there are more audit entries than are shown, the history says so")
    func manyEntries() async throws {
        let pair = try Pair()
        let (rabat, marrakech) = try await pair.startBoth()
        for _ in 0..<(Limits.auditEntriesShown / 4 + 1) {
            #expect(await marrakech.gate.operate(.pause(.seconds(60))).done)
            #expect(await marrakech.gate.operate(.resume).done)
        }
        let lines = await audit(marrakech)
        #expect(lines.count == Limits.auditEntriesShown + 1)
        #expect(lines.last?.contains("are not shown") == true, "\(lines.last ?? "")")
        await marrakech.stop()
        await rabat.stop()
    }

    @Test("the time without a primary is told of an automatic promotion only")
    func lastPromotion() async throws {
        let pair = try Pair()
        let (rabat, marrakech) = try await pair.startBoth()
        await rabat.stop()
        try await until("marrakech promotes itself") { marrakech.gate.isWritable }
        #expect((marrakech.gate.status.lastPromotionSeconds ?? 0) > 0.5)
        await marrakech.stop()

        let async = try Pair(mode: "async")
        let (first, second) = try await async.startBoth()
        let alone = await first.gate.operate(.runAlone)
        #expect(alone.done, "\(alone)")
        #expect(first.gate.status.epoch == 2)
        #expect(first.gate.status.lastPromotionSeconds == nil)
        await first.stop()
        await second.stop()
    }
}
