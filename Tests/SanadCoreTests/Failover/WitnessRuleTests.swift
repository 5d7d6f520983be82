import Testing

@testable import SanadCore

/// The witness as a value, with a clock that is moved by hand.
///
/// The same questions over TLS, refusals included, are in SanadNodeTests.
@Suite("The witness's decisions")
struct WitnessRuleTests {
    private let rabat = Places.rabat
    private let marrakech = Places.marrakech
    private let takeOver = Places.record(2, epoch: 2, Places.marrakech, inSync: [Places.marrakech])
    private var witness: Witness

    /// A witness that started at 1,000 and knows of Rabat's first reign.
    init() {
        witness = Witness(
            durable: Witness.Durable(
                record: Places.record(1, epoch: 1, Places.rabat), committed: Sequence(10)),
            members: [Places.rabat.node, Places.marrakech.node], now: .at(1_000),
            wait: Places.timing.grantWait)
    }

    private mutating func ask(
        _ kind: ArbiterRequest.Kind, of store: StoreIdentity, at now: UInt64
    ) -> (answer: ArbiterAnswer, save: Bool) {
        let question = ArbiterRequest(
            cluster: Places.cluster, identity: store, sent: .at(77),
            wait: Places.timing.grantWait, kind: kind)
        return witness.answer(question, from: store.node, now: .at(now))
    }

    private func change(
        _ expected: UInt64, _ record: ClusterRecord, committed: UInt64 = 0
    ) -> ArbiterRequest.Kind {
        .change(expected: expected, record: record, committed: Sequence(committed))
    }

    private func renew(_ epoch: UInt64, committed: UInt64 = 0) -> ArbiterRequest.Kind {
        .renew(epoch: Epoch(epoch), committed: Sequence(committed))
    }

    @Test("after a start nobody takes over before a whole lease has passed; the primary goes on")
    mutating func restart() {
        let early = ask(change(1, takeOver), of: marrakech, at: 4_029)
        #expect(early.answer.outcome == .leaseHeld)
        #expect(early.answer.view.remaining == .milliseconds(1))
        #expect(!early.save)
        #expect(ask(change(1, takeOver), of: marrakech, at: 4_030).answer.outcome == .changed)

        var other = Self()
        #expect(other.ask(renew(1), of: rabat, at: 1_001).answer.outcome == .granted)
        let again = Places.record(2, epoch: 2, rabat)
        #expect(other.ask(change(1, again), of: rabat, at: 1_002).answer.outcome == .changed)
    }

    @Test("a lease counts from the answer, and `remaining` says what is left of it")
    mutating func remaining() {
        let renewal = ask(renew(1), of: rabat, at: 5_000).answer
        #expect(renewal.outcome == .granted)
        #expect(renewal.echo == .at(77))
        #expect(renewal.view.remaining == Places.timing.grantWait)
        #expect(ask(.read, of: marrakech, at: 6_000).answer.view.remaining == .milliseconds(2_030))
        #expect(ask(.read, of: marrakech, at: 8_030).answer.view.remaining == .zero)
        #expect(ask(.read, of: marrakech, at: 99_000).answer.view.remaining == .zero)
    }

    @Test("once it has served a reign it helps no lower one again")
    mutating func lowerEpoch() {
        #expect(ask(change(1, takeOver), of: marrakech, at: 5_000).save)
        #expect(ask(renew(1), of: rabat, at: 5_001).answer.outcome == .outdated)
        #expect(ask(renew(3), of: marrakech, at: 5_001).answer.outcome == .outdated)
        let old = Places.record(3, epoch: 1, rabat)
        #expect(ask(change(2, old), of: rabat, at: 60_000).answer.outcome == .outdated)
        #expect(witness.durable.record == takeOver)
        // Nothing of that prolonged anybody's lease.
        #expect(witness.leaseEnds == .at(8_030))
    }

    @Test("a question asked twice is answered the same, and the wait counts from the last answer")
    mutating func repeated() {
        let first = ask(change(1, takeOver), of: marrakech, at: 5_000)
        let second = ask(change(1, takeOver), of: marrakech, at: 5_700)
        #expect(first.save && !second.save)
        #expect(first.answer.outcome == .changed)
        #expect(second.answer == first.answer)
        // The asker counts from its sending, before both answers, so the longer wait is the safe one.
        #expect(witness.leaseEnds == .at(8_730))
    }

    @Test("a lease is given up by its holder and for its reign alone")
    mutating func release() {
        _ = ask(renew(1), of: rabat, at: 5_000)
        for (epoch, store) in [(UInt64(2), rabat), (0, rabat), (1, marrakech)] {
            let answer = ask(.release(epoch: Epoch(epoch)), of: store, at: 5_100).answer
            #expect(answer.outcome == .seen)
            #expect(answer.view.remaining == .milliseconds(2_930))
        }
        #expect(
            ask(.release(epoch: Epoch(1)), of: rabat, at: 5_200).answer.view.remaining == .zero)
        #expect(ask(change(1, takeOver), of: marrakech, at: 5_200).answer.outcome == .changed)
    }

    @Test("the mark grows with renewals, is saved before the answer, and a new reign sets it")
    mutating func mark() {
        #expect(ask(renew(1, committed: 12), of: rabat, at: 5_000).save)
        #expect(witness.durable.committed == Sequence(12))
        let late = ask(renew(1, committed: 11), of: rabat, at: 5_001)
        #expect(!late.save)
        #expect(late.answer.view.committed == Sequence(12))
        let taken = ask(change(1, takeOver, committed: 9), of: marrakech, at: 9_000)
        #expect(taken.answer.view.committed == Sequence(9))
    }

    @Test("who is refused changes nothing, not even the time until others may ask")
    mutating func refused() {
        let before = witness.leaseEnds
        let stranger = Places.identity("fes", 3)
        for kind in [.read, renew(1), change(1, takeOver)] {
            guard case .refused = ask(kind, of: stranger, at: 5_000).answer.outcome else {
                Issue.record("\(kind) of a stranger was not refused")
                continue
            }
        }
        guard case .refused = ask(change(1, takeOver), of: rabat, at: 5_000).answer.outcome else {
            Issue.record("one node made the other primary")
            return
        }
        #expect(witness.leaseEnds == before)
        #expect(witness.durable.record.version == 1)
    }
}
