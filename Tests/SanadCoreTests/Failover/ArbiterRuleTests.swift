import Testing

@testable import SanadCore

@Suite("Cluster record, and the rule of compare-and-set")
struct ArbiterRuleTests {
    private static let rabat = Places.rabat
    private static let marrakech = Places.marrakech

    /// What is newer, and what it is compared with: (epoch, version) each.
    static let order: [((UInt64, UInt64), (UInt64, UInt64), Bool)] = [
        ((1, 2), (1, 1), true),
        ((1, 1), (1, 1), false),
        ((1, 1), (1, 2), false),
        // A reign goes before a version: a late change of an older reign may have a high version.
        ((2, 1), (1, 9), true),
        ((1, 9), (2, 1), false),
        ((1, 1), (0, 0), true),
    ]

    @Test("the later reign is newer, then the higher version", arguments: order)
    func isNewer(left: (UInt64, UInt64), right: (UInt64, UInt64), isNewer: Bool) {
        let first = Places.record(left.1, epoch: left.0, Self.rabat)
        let second = Places.record(right.1, epoch: right.0, Self.marrakech)
        #expect(first.isNewer(than: second) == isNewer)
    }

    @Test("stores in sync are listed by name, and another store of the node is not meant")
    func inSync() {
        let record = Places.record(1, epoch: 1, Self.rabat)
        #expect(record.inSync == [Self.marrakech, Self.rabat])
        #expect(record.isInSync(Self.rabat))
        #expect(!record.isInSync(Places.identity("rabat", 99)))
        #expect(!ClusterRecord.initial(cluster: Places.cluster).isInSync(Self.rabat))
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var expected: UInt64 = 3
        var new: ClusterRecord
        var present = Places.record(3, epoch: 2, Places.rabat)
        var isLeaseFree = false
        var verdict: ArbiterRule.Verdict
    }

    static let cases: [Case] = [
        Case(
            testDescription: "the present primary changes who is in sync, under its own lease",
            new: Places.record(4, epoch: 2, rabat, inSync: [rabat]), verdict: .accept),
        Case(
            testDescription: "the present primary begins a new reign, under its own lease",
            new: Places.record(4, epoch: 3, rabat), verdict: .accept),
        Case(
            testDescription: "another takes the role when the lease has ended",
            new: Places.record(4, epoch: 3, marrakech), isLeaseFree: true, verdict: .accept),
        Case(
            testDescription: "another takes the role while the lease stands",
            new: Places.record(4, epoch: 3, marrakech), verdict: .leaseHeld),
        Case(
            testDescription: "the first primary of all, whatever is known of leases",
            expected: 0, new: Places.record(1, epoch: 1, rabat),
            present: .initial(cluster: Places.cluster), verdict: .accept),
        Case(
            testDescription: "a version that jumps ahead, of who knows more than the arbiter",
            new: Places.record(9, epoch: 2, rabat), verdict: .accept),
        Case(
            testDescription: "the record moved on", expected: 2,
            new: Places.record(4, epoch: 3, marrakech), isLeaseFree: true, verdict: .outdated),
        Case(
            testDescription: "the arbiter is behind what is expected", expected: 4,
            new: Places.record(5, epoch: 3, marrakech), isLeaseFree: true, verdict: .outdated),
        Case(
            testDescription: "a version that does not grow",
            new: Places.record(3, epoch: 3, marrakech), isLeaseFree: true, verdict: .outdated),
        Case(
            testDescription: "an older reign",
            new: Places.record(4, epoch: 1, rabat), isLeaseFree: true, verdict: .outdated),
        Case(
            testDescription: "another primary in the same reign",
            new: Places.record(4, epoch: 2, marrakech), isLeaseFree: true, verdict: .outdated),
        Case(
            testDescription: "another cluster",
            new: ClusterRecord(
                cluster: .none, version: 4, epoch: Epoch(3), primary: rabat.node, inSync: [rabat],
                since: .origin), isLeaseFree: true, verdict: .outdated),
        Case(
            testDescription: "the same question again, however late", expected: 2,
            new: Places.record(3, epoch: 2, rabat), verdict: .repeated),
    ]

    @Test("every verdict", arguments: cases)
    func judge(_ given: Case) {
        let verdict = ArbiterRule.judge(
            expected: given.expected, new: given.new, present: given.present,
            isLeaseFree: given.isLeaseFree)
        #expect(verdict == given.verdict)
    }

    /// Told, present, the new reign and the one before, and the mark that results.
    static let marks: [(told: UInt64, present: UInt64, new: UInt64, before: UInt64, UInt64)] = [
        (8, 5, 2, 2, 8), (5, 8, 2, 2, 8),
        // Who begins a reign says what there is, also when it is less: an accepted loss.
        (5, 8, 3, 2, 5), (8, 5, 3, 2, 8),
    ]

    @Test("the committed mark grows within a reign, and begins anew with one", arguments: marks)
    func mark(told: UInt64, present: UInt64, new: UInt64, before: UInt64, expected: UInt64) {
        let mark = ArbiterRule.mark(
            Sequence(told), of: Places.record(4, epoch: new, Self.rabat),
            present: Sequence(present), of: Places.record(3, epoch: before, Self.rabat))
        #expect(mark == Sequence(expected))
    }
}
