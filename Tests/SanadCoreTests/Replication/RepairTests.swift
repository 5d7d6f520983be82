import Testing

@testable import SanadCore

/// The primary is lost for good, and the store of the node that is left is still being repaired.
@Suite("A role in the middle of a repair")
struct RepairTests {
    /// The settled log ends at 2.
    private static let complete: [StoreRepair] = [
        .rejoin(namesLeft: false, consistentFrom: Sequence(2)),
        .seed(base: .origin, cursor: [1], isLoaded: true, consistentFrom: Sequence(2)),
    ]
    private static let incomplete: [StoreRepair] = [
        .rejoin(namesLeft: true, consistentFrom: Sequence(2)),
        .rejoin(namesLeft: false, consistentFrom: Sequence(3)),
        .seed(base: .origin, cursor: [1], isLoaded: true, consistentFrom: Sequence(3)),
        .seed(base: .origin, cursor: [1], isLoaded: false, consistentFrom: Sequence(2)),
    ]

    /// Marrakech restarts without knowing that the end of its log was committed, and Rabat is gone.
    private static func alone(_ repair: StoreRepair, hasArbiter: Bool) -> Pair {
        var pair = Pair.settled(hasArbiter: hasArbiter)
        pair.kill(.rabat)
        pair.marrakech.disk.repair = repair
        pair.marrakech.disk.committed = Sequence(1)
        pair.marrakech.disk.applied = Sequence(1)
        pair.restart(.marrakech)
        pair.marrakech.wanted = []
        return pair
    }

    @Test(
        "a log with all that the records lack is enough: the reign commits it, and ends the repair",
        arguments: complete, [false, true])
    func promoted(repair: StoreRepair, hasArbiter: Bool) {
        var pair = Self.alone(repair, hasArbiter: hasArbiter)
        pair.wait(.seconds(20))
        #expect(pair.writable == [.marrakech])
        #expect(pair.marrakech.replica.repair == nil)
        let news = pair.marrakech.news()
        #expect(news.haveInOrder("role primary", "append 3", "commit 2", "repair: endRepair"))
    }

    @Test(
        "without it there is no promotion, not even by an operator's word",
        arguments: incomplete, [false, true])
    func notPromoted(repair: StoreRepair, hasArbiter: Bool) {
        var pair = Self.alone(repair, hasArbiter: hasArbiter)
        pair.wait(.seconds(20))
        for command in [OperatorCommand.promote(acceptLoss: true), .runAlone] {
            pair.marrakech.wanted = []
            pair.command(command, at: .marrakech)
            #expect(
                pair.marrakech.news().has("report warning: not done: its store is being repaired"))
        }
        pair.wait(.seconds(20))
        #expect(pair.writable == [])
    }

    @Test("until the repair ends, such a primary hands out no records", arguments: complete)
    func handsOutNothing(repair: StoreRepair) throws {
        var pair = Self.alone(repair, hasArbiter: false)
        pair.marrakech.isTableStuck = true
        pair.wait(.seconds(20))
        #expect(pair.writable == [.marrakech])
        let name = try #require(RecordName(bytes: Array("c\tk".utf8)))
        for (wish, answer) in [
            (StoreRepair.rejoin(namesLeft: true, consistentFrom: .zero), "repair: readRecords"),
            (
                .seed(base: nil, cursor: nil, isLoaded: false, consistentFrom: .zero),
                "repair: openSnapshot"
            ),
        ] {
            var other = pair
            other.rabat.disk.repair = wish
            other.restart(.rabat)
            other.marrakech.wanted = []
            other.wait(.seconds(2))
            other.feed(.names([name]), to: .rabat)
            let before = other.marrakech.news()
            #expect(!before.has(answer) && !before.has("close link"))
            other.freeTable(.marrakech)
            #expect(other.marrakech.news().haveInOrder("repair: endRepair", answer))
        }
    }

    @Test("a restart in between: such a primary takes its role up again", arguments: complete)
    func reclaimed(repair: StoreRepair) {
        var pair = Self.alone(repair, hasArbiter: true)
        pair.marrakech.isTableStuck = true
        pair.wait(.seconds(20))
        pair.restart(.marrakech)
        pair.wait(.seconds(20))
        #expect(pair.writable == [.marrakech])
        #expect(pair.marrakech.replica.record.epoch == Epoch(3))
        pair.freeTable(.marrakech)
        #expect(pair.marrakech.replica.repair == nil)
    }
}
