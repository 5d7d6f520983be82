import SanadCore
import SanadLink
import SanadStore
import SanadTestSupport
import Testing

@testable import SanadNode

/// The witness over real TLS, asked by hand.
@Suite("Witness")
struct WitnessTests {
    private let first = ArbiterSite.record(1, 1, ArbiterSite.rabat)
    private let takeOver = ArbiterSite.record(
        2, 2, ArbiterSite.marrakech, [ArbiterSite.marrakech])

    /// Asks until the answer is another than `leaseHeld`.
    private func askUntilFree(
        _ asker: WitnessAsker, _ kind: ArbiterRequest.Kind
    ) async throws -> ArbiterAnswer {
        var answer = try asker.ask(kind)
        try await until("the end of the lease") {
            if answer.outcome == .leaseHeld { answer = try asker.ask(kind) }
            return answer.outcome != .leaseHeld
        }
        return answer
    }

    @Test("The first record, a lease, and another primary only after it")
    func lease() async throws {
        let fixture = try WitnessFixture()
        let rabat = try fixture.asker(ArbiterSite.rabat)
        let marrakech = try fixture.asker(ArbiterSite.marrakech)
        #expect(try rabat.ask(.read).view.record.version == 0)
        #expect(try rabat.ask(ArbiterSite.change(0, first)).outcome == .changed)
        let granted = SystemClock.instant
        let renewal = try rabat.ask(
            ArbiterSite.renew(1, committed: 9), wait: .milliseconds(400))
        #expect(renewal.outcome == .granted)
        let held = try marrakech.ask(ArbiterSite.change(1, takeOver))
        #expect(held.outcome == .leaseHeld)
        #expect(held.view.record == first)
        #expect(held.view.committed == Sequence(9))
        #expect(held.view.remaining > .zero)
        let answer = try await askUntilFree(
            marrakech, ArbiterSite.change(1, takeOver, committed: 8))
        #expect(answer.outcome == .changed)
        #expect(SystemClock.instant.since(granted) >= .milliseconds(400))
        // Who begins a reign says what there is: a loss that was accepted is not looked for again.
        #expect(answer.view.committed == Sequence(8))
        #expect(try rabat.ask(ArbiterSite.renew(1)).outcome == .outdated)
    }

    @Test("A released lease is free at once")
    func release() throws {
        let fixture = try WitnessFixture()
        let rabat = try fixture.asker(ArbiterSite.rabat)
        let marrakech = try fixture.asker(ArbiterSite.marrakech)
        #expect(
            try rabat.ask(ArbiterSite.change(0, first), wait: .seconds(60)).outcome == .changed)
        #expect(try rabat.ask(.release(epoch: Epoch(1))).view.remaining == .zero)
        #expect(try marrakech.ask(ArbiterSite.change(1, takeOver)).outcome == .changed)
    }

    @Test("A question that comes twice, or late, changes nothing and grants nothing")
    func duplicates() throws {
        let fixture = try WitnessFixture()
        let rabat = try fixture.asker(ArbiterSite.rabat)
        let change = ArbiterSite.question(ArbiterSite.change(0, first))
        #expect(try rabat.ask(change).outcome == .changed)
        #expect(try rabat.ask(change).outcome == .changed)
        let degraded = ArbiterSite.record(2, 1, ArbiterSite.rabat, [ArbiterSite.rabat])
        #expect(try rabat.ask(ArbiterSite.change(1, degraded)).outcome == .changed)
        #expect(try rabat.ask(change).outcome == .outdated)
        #expect(try rabat.ask(ArbiterSite.renew(2)).outcome == .outdated)
        // Several at once are answered in order.
        for epoch: UInt64 in [1, 5, 1] {
            try rabat.send(.arbiterRequest(ArbiterSite.question(ArbiterSite.renew(epoch))))
        }
        let outcomes = try rabat.answers(3).map(\.outcome)
        #expect(outcomes == [.granted, .outdated, .granted])
    }

    @Test("Another cluster, and who speaks for another node, are refused with the reason")
    func refusals() async throws {
        let fixture = try WitnessFixture()
        let rabat = try fixture.asker(ArbiterSite.rabat)
        func refusal(_ request: ArbiterRequest) throws -> String? {
            guard case .refused(let reason) = try rabat.ask(request).outcome else { return nil }
            return reason
        }
        let foreign = ArbiterSite.question(.read, cluster: Identifier(high: 1, low: 1))
        #expect(try refusal(foreign)?.contains("serves cluster") == true)
        let other = ArbiterSite.question(.read, from: ArbiterSite.marrakech)
        #expect(try refusal(other)?.contains("speaks for another") == true)
        let gift = ArbiterSite.question(ArbiterSite.change(0, takeOver))
        #expect(try refusal(gift)?.contains("only make itself primary") == true)
        try await until("the status") { fixture.node.status.refusedQuestionsTotal == 3 }
    }

    @Test("Certificates of another authority, and of nodes that are no members, do not get in")
    func strangers() async throws {
        let fixture = try WitnessFixture()
        let stranger = #expect(throws: LinkError.self) {
            _ = try fixture.asker(ArbiterSite.rabat, authority: "others")
        }
        #expect(stranger?.saidByPeer == true)
        let outsider = #expect(throws: LinkError.self) {
            _ = try fixture.asker(ArbiterSite.rabat, certificate: "fes")
        }
        #expect(outsider?.saidByPeer == true)
        try await until("both refusals") { fixture.node.status.refusalsTotal == 2 }
    }

    @Test("Something else than a question ends the connection, and nothing more")
    func nonsense() throws {
        let fixture = try WitnessFixture()
        let rabat = try fixture.asker(ArbiterSite.rabat)
        try rabat.send(.leave)
        #expect(try rabat.ending().code == .closed)
        let again = try fixture.asker(ArbiterSite.rabat)
        #expect(try again.ask(.read).outcome == .seen)
    }

    @Test("A new connection of the same node takes the place of the old one")
    func replacement() throws {
        let fixture = try WitnessFixture()
        let old = try fixture.asker(ArbiterSite.rabat)
        #expect(try old.ask(.read).outcome == .seen)
        let new = try fixture.asker(ArbiterSite.rabat)
        #expect(try old.ending().code == .closed)
        #expect(try new.ask(.read).outcome == .seen)
    }

    @Test("After a restart it waits out what it has granted; the present primary goes on at once")
    func restart() async throws {
        let fixture = try WitnessFixture()
        var rabat = try fixture.asker(ArbiterSite.rabat)
        // Longer than the 101 ms of the configuration: it has to be remembered.
        let wait = Span.milliseconds(1_500)
        #expect(try rabat.ask(ArbiterSite.change(0, first), wait: wait).outcome == .changed)
        try fixture.restart()
        let started = SystemClock.instant
        let marrakech = try fixture.asker(ArbiterSite.marrakech)
        let held = try marrakech.ask(ArbiterSite.change(1, takeOver))
        #expect(held.outcome == .leaseHeld)
        #expect(held.view.record == first)
        #expect(held.view.remaining > .milliseconds(500))
        rabat = try fixture.asker(ArbiterSite.rabat)
        #expect(try rabat.ask(ArbiterSite.renew(1), wait: .milliseconds(1)).outcome == .granted)
        let answer = try await askUntilFree(marrakech, ArbiterSite.change(1, takeOver))
        #expect(answer.outcome == .changed)
        #expect(SystemClock.instant.since(started) > .milliseconds(1_000))
        // Waited out, the long wait is forgotten in time: the next start waits for the short ones.
        try fixture.restart()
        let again = try fixture.asker(ArbiterSite.rabat)
        #expect(try again.ask(.read).view.remaining < .milliseconds(500))
    }

    @Test("A witness that lost its store takes the record from the primary, and waits all the same")
    func lostStore() throws {
        let fixture = try WitnessFixture()
        let held = ArbiterSite.record(5, 3, ArbiterSite.rabat)
        #expect(
            try fixture.asker(ArbiterSite.rabat).ask(ArbiterSite.change(0, held)).outcome
                == .changed)
        try fixture.restart(losingStore: true)
        let rabat = try fixture.asker(ArbiterSite.rabat)
        let empty = try rabat.ask(.read)
        #expect(empty.view.record == .initial(cluster: ArbiterSite.cluster))
        #expect(empty.view.remaining > .zero)
        #expect(try rabat.ask(ArbiterSite.change(0, held)).outcome == .changed)
        #expect(try rabat.ask(ArbiterSite.renew(3)).outcome == .granted)
    }

    @Test("A graceful stop keeps the mark; renewals alone do not write")
    func quietDisk() async throws {
        let fixture = try WitnessFixture()
        let rabat = try fixture.asker(ArbiterSite.rabat)
        #expect(try rabat.ask(ArbiterSite.change(0, first)).outcome == .changed)
        try await until("the status") { fixture.node.status.questionsTotal == 1 }
        let saves = fixture.node.status.savesTotal
        for mark: UInt64 in 1...200 {
            #expect(try rabat.ask(ArbiterSite.renew(1, committed: mark)).outcome == .granted)
        }
        try await until("the status") { fixture.node.status.questionsTotal == 201 }
        #expect(fixture.node.status.savesTotal == saves)
        try fixture.restart()
        #expect(try fixture.asker(ArbiterSite.rabat).ask(.read).view.committed == Sequence(200))
    }

    @Test("A second witness on the same store is refused")
    func secondProcess() throws {
        let fixture = try WitnessFixture()
        let error = #expect(throws: StoreError.self) {
            _ = try WitnessNode(WitnessFixture.configuration(fixture.site), log: quiet)
        }
        #expect(error?.code == .locked)
    }
}
