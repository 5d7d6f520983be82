import Testing

@testable import sanad_bench

@Suite("The verdict on a recorded failover: what it must find")
struct FailoverVerdictTests {
    /// Two reigns without a fault: epoch 1 until instant 40, epoch 2 from instant 100.
    private static let sound = [
        write(0, 1, epoch: 1, 10, 20), write(1, 1, epoch: 1, 15, 30),
        write(0, 2, epoch: 1, 25, 40), write(1, 2, epoch: 2, 35, 100),
        write(0, 3, epoch: 2, 45, 110), write(0, 4, epoch: 2, 120, 130),
    ]

    private static func write(
        _ writer: Int, _ number: UInt64, epoch: UInt64, _ sent: UInt64, _ answered: UInt64
    ) -> AcknowledgedWrite {
        AcknowledgedWrite(
            writer: writer, number: number, epoch: epoch, bothSites: true, sent: sent,
            answered: answered)
    }

    /// What a primary has that lost none of these.
    private static func records(_ history: FailoverHistory) -> [String: UInt64] {
        var records: [String: UInt64] = [:]
        for write in history.acknowledged.sorted(by: { $0.number < $1.number }) {
            records[write.key] = write.number
        }
        return records
    }

    private static func verdict(
        _ history: FailoverHistory, resumed: UInt64? = nil,
        _ change: (inout [String: UInt64]) -> Void = { _ in }
    ) -> FailoverVerdict {
        var records = records(history)
        change(&records)
        return FailoverVerdict(history, resumed: resumed) { records[$0] }
    }

    @Test("a sound history passes")
    func sound() {
        let verdict = Self.verdict(
            FailoverHistory(acknowledged: Self.sound, underWay: [0: 5, 1: 3]), resumed: 105)
        #expect(verdict.acknowledged == 6)
        #expect(verdict.lost == 0)
        #expect(verdict.overlaps == 0)
        #expect(verdict.examples.isEmpty)
    }

    @Test("a record that is gone, and one that is older than its acknowledgement, are lost")
    func lost() {
        // Number 201 goes to the key of number 1.
        let again = Self.write(0, 201, epoch: 2, 140, 150)
        let history = FailoverHistory(acknowledged: Self.sound + [again], underWay: [0: 202])
        #expect(again.key == Self.sound[0].key)
        let verdict = Self.verdict(history) { records in
            records[Self.sound[3].key] = nil
            records[again.key] = 1
        }
        #expect(verdict.lost == 2)
        #expect(verdict.examples.contains { $0.contains("acknowledged 201 in epoch 2, found 1") })
        #expect(verdict.examples.contains { $0.contains("found nothing") })
    }

    @Test("a write under way may be there, and nothing beyond it")
    func underWay() {
        let history = FailoverHistory(acknowledged: Self.sound, underWay: [0: 201])
        let key = Self.sound[0].key
        #expect(Self.verdict(history) { $0[key] = 201 }.lost == 0)
        #expect(Self.verdict(history) { $0[key] = 401 }.lost == 1)
    }

    @Test("a record without an acknowledgement or a write under way does not pass for either")
    func nothingUnderWay() {
        // No number is under way for a writer that is not named: a missing record is not excused.
        let history = FailoverHistory(acknowledged: Self.sound)
        #expect(Self.verdict(history) { $0[Self.sound[1].key] = nil }.lost == 1)
    }

    @Test("the old primary acknowledges what was sent after the new one's first: two primaries")
    func overlap() {
        let bad = [
            Self.write(2, 1, epoch: 1, 101, 140), Self.write(2, 2, epoch: 1, 141, 145),
        ]
        let history = FailoverHistory(acknowledged: Self.sound + bad)
        let verdict = Self.verdict(history)
        #expect(verdict.overlaps == 2)
        #expect(verdict.examples.first?.contains("epoch 1") == true)
    }

    @Test("an overlap with any later reign is found, in whatever order the answers were noted")
    func overlapOfThree() {
        let third = Self.write(1, 3, epoch: 3, 190, 200)
        let bad = Self.write(2, 1, epoch: 1, 201, 210)
        let history = FailoverHistory(acknowledged: [bad, third] + Self.sound.reversed())
        #expect(Self.verdict(history).overlaps == 1)
    }

    @Test("a frozen primary acknowledges after it went on, whenever it was asked")
    func late() {
        // Sent before the new reign's first acknowledgement, so the order alone does not tell.
        let bad = [Self.write(2, 1, epoch: 1, 39, 160), Self.write(3, 1, epoch: 1, 60, 170)]
        let history = FailoverHistory(acknowledged: Self.sound + bad)
        #expect(Self.verdict(history).overlaps == 0)
        #expect(Self.verdict(history, resumed: 150).overlaps == 2)
        #expect(Self.verdict(history, resumed: 165).overlaps == 1)
    }
}
