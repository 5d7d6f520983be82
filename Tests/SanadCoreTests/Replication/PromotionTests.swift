import Testing

@testable import SanadCore

/// What a standby needs before it takes the role by itself, one condition after the other.
@Suite("The way to the primary role")
struct PromotionTests {
    @Test("without an arbiter: when its own promise has ended, and not before")
    func grant() {
        var pair = Pair.settled()
        pair.kill(.rabat)
        let end = pair.marrakech.replica.grant.expires
        pair.wait(Span(nanoseconds: end.since(pair.now).nanoseconds - 1))
        #expect(pair.marrakech.replica.role == .standby)
        pair.wait(Span(nanoseconds: 1))
        #expect(pair.marrakech.replica.role == .primary)
        #expect(pair.marrakech.replica.record.epoch == Epoch(2))
        // Everything durable there counts in the new reign, and its first frame.
        #expect(pair.marrakech.replica.committed == Sequence(3))
    }

    @Test("with an arbiter: it asks when its promise has ended, and waits for the arbiter's")
    func arbiter() throws {
        var pair = Pair.settled(hasArbiter: true)
        let renewal = ArbiterRequest(
            cluster: Places.cluster, identity: Places.rabat, sent: pair.now, wait: .seconds(20),
            kind: .renew(epoch: Epoch(1), committed: Sequence(2)))
        let outcome = pair.witness?.answer(renewal, from: Places.rabat.node, now: pair.now).answer
        #expect(outcome?.outcome == .granted)
        let begin = pair.now
        pair.kill(.rabat)
        pair.wait(
            Span(nanoseconds: pair.marrakech.replica.grant.expires.since(begin).nanoseconds - 1))
        #expect(!pair.marrakech.news().has("ask change"))
        pair.wait(.seconds(1))
        #expect(pair.marrakech.news().has("ask change"))
        pair.wait(Span(nanoseconds: (begin + .milliseconds(19_990)).since(pair.now).nanoseconds))
        #expect(pair.marrakech.replica.role == .standby)
        pair.wait(.seconds(1))
        #expect(pair.writable == [.marrakech])
    }

    @Test("with an arbiter that is away, nobody is promoted, however long it takes")
    func arbiterAway() {
        var pair = Pair.settled(hasArbiter: true)
        pair.kill(.rabat)
        pair.isWitnessCut = [true, true]
        pair.wait(.seconds(60))
        #expect(pair.marrakech.replica.role == .standby)
        pair.isWitnessCut = [false, false]
        pair.wait(.seconds(3))
        #expect(pair.writable == [.marrakech])
    }

    @Test("out of sync: the primary went on alone, so the other one stays what it is")
    func outOfSync() {
        var pair = Pair.settled(hasArbiter: true)
        pair.cutLink()
        pair.wait(.seconds(5))
        pair.write()
        #expect(pair.rabat.replica.committed == Sequence(3))
        pair.kill(.rabat)
        pair.wait(.seconds(60))
        #expect(pair.marrakech.replica.role == .standby)
        // The operator is refused as well, unless the loss is accepted in so many words.
        let objection = pair.marrakech.replica.objection(
            to: .promote(acceptLoss: false), at: pair.now)
        #expect(objection?.contains("--accept-loss") == true)
        pair.command(.promote(acceptLoss: true), at: .marrakech)
        pair.wait(.seconds(1))
        #expect(pair.writable == [.marrakech])
        #expect(pair.marrakech.replica.history.last?.isOverride == true)
    }

    @Test(
        "a store restored from an older copy lacks what the arbiter knows of, and is not promoted")
    func restored() {
        var pair = Pair.settled(hasArbiter: true)
        let copy = pair.marrakech
        for _ in 0..<3 { pair.write() }
        pair.wait(.seconds(1))
        pair.kill(.rabat)
        pair.kill(.marrakech)
        pair.marrakech.disk = copy.disk
        pair.marrakech.log = copy.log
        pair.restart(.marrakech)
        pair.wait(.seconds(60))
        #expect(pair.marrakech.replica.record.isInSync(Places.marrakech))
        #expect(pair.marrakech.replica.durable.sequence == Sequence(2))
        #expect(pair.writable == [])
        // The whole store is back: it follows nobody's loss.
        pair.restart(.rabat)
        pair.wait(.seconds(8))
        #expect(pair.writable == [.rabat])
        #expect(pair.marrakech.replica.durable == pair.rabat.replica.durable)
    }

    /// Acknowledged transactions that the standby lacks, and whether it may be promoted.
    static let losses: [(missing: UInt64, isPromoted: Bool)] = [(0, true), (2, true), (3, false)]

    @Test(
        "max_loss: so many acknowledged transactions may be missing, and not one more",
        arguments: losses)
    func maxLoss(missing: UInt64, isPromoted: Bool) {
        var pair = Pair.settled(hasArbiter: true) {
            $0.mode = .async
            $0.maxLoss = 2
        }
        let durable = pair.marrakech.replica.durable.sequence
        pair.kill(.rabat)
        let renewal = ArbiterRequest(
            cluster: Places.cluster, identity: Places.rabat, sent: pair.now,
            wait: Places.timing.grantWait,
            kind: .renew(epoch: Epoch(1), committed: durable.advanced(by: missing)))
        _ = pair.witness?.answer(renewal, from: Places.rabat.node, now: pair.now)
        pair.wait(.seconds(10))
        #expect(pair.writable == (isPromoted ? [.marrakech] : []))
    }

    @Test(
        "manual does nothing, observe says what it would have done, automatic does it",
        arguments: [
            (FailoverMode.manual, false, false), (.observe, false, true), (.automatic, true, false),
        ])
    func modes(mode: FailoverMode, isPromoted: Bool, isReported: Bool) {
        var pair = Pair.settled { $0.failoverMode = mode }
        pair.kill(.rabat)
        pair.wait(.seconds(10))
        #expect((pair.marrakech.replica.role == .primary) == isPromoted)
        let said = pair.marrakech.news().filter { $0.contains("would have promoted itself") }
        #expect(said.count == (isReported ? 1 : 0))
        guard !isPromoted else { return }
        pair.command(.promote(acceptLoss: false), at: .marrakech)
        #expect(pair.marrakech.replica.role == .primary)
    }

    @Test("observing, it speaks only when the arbiter would have given it the role")
    func observed() {
        var pair = Pair.settled(hasArbiter: true) { $0.failoverMode = .observe }
        let words = "report warning: observing: this node would have promoted itself"
        pair.cutLink()
        pair.wait(.seconds(10))
        #expect(pair.writable == [.rabat])
        #expect(!pair.marrakech.news().has(words), "the primary goes on renewing its lease")
        pair.isLinkCut = false
        pair.wait(.seconds(5))
        pair.kill(.rabat)
        pair.isWitnessCut = [false, true]
        pair.wait(.seconds(10))
        #expect(!pair.marrakech.news().has(words), "nobody asked would have answered")
        pair.isWitnessCut = [false, false]
        pair.wait(.seconds(5))
        #expect(pair.marrakech.news().filter { $0.hasPrefix(words) }.count == 1)
    }

    @Test("an operator's word ends with the command's time, and does nothing later")
    func operatorsWord() {
        var pair = Pair.settled(hasArbiter: true) {
            $0.failoverMode = .manual
            $0.onStandbyLoss = .block
        }
        pair.cutLink()
        pair.wait(.seconds(4))
        pair.command(.promote(acceptLoss: false), at: .marrakech)
        pair.wait(.seconds(19))
        // The arbiter goes on giving the primary its lease.
        #expect(pair.marrakech.replica.isSeekingRole)
        #expect(pair.writable == [.rabat])
        pair.wait(.seconds(2))
        #expect(!pair.marrakech.replica.isSeekingRole)
        #expect(pair.marrakech.news().has("report warning: not promoted within 20000 ms"))
        pair.kill(.rabat)
        pair.wait(.seconds(30))
        #expect(pair.writable == [])
        pair.command(.promote(acceptLoss: false), at: .marrakech)
        pair.wait(.seconds(1))
        #expect(pair.writable == [.marrakech])
    }

    @Test("a veto stops it for a while, and is asked for again; an operator is not asked")
    func veto() {
        var pair = Pair.settled { $0.hasVeto = true }
        pair.veto = "not tonight"
        pair.kill(.rabat)
        pair.wait(.seconds(12))
        #expect(pair.marrakech.replica.role == .standby)
        var words = pair.marrakech.news()
        #expect(words.filter { $0 == "ask veto" }.count == 1)
        #expect(words.has("report warning: not promoted: the veto command said no: not tonight"))
        pair.wait(.seconds(10))
        words = pair.marrakech.news()
        #expect(words.filter { $0 == "ask veto" }.count == 1)
        pair.command(.promote(acceptLoss: false), at: .marrakech)
        #expect(pair.marrakech.replica.role == .primary)
        #expect(!pair.marrakech.news().has("ask veto"))
    }

    @Test("a candidate gives no promise, and one that gave up is no primary by a late answer")
    func lateAnswer() throws {
        var pair = Pair.settled(hasArbiter: true)
        pair.cutLink()
        pair.isWitnessCut = [false, true]
        pair.wait(.seconds(5))
        // The arbiter's answer to the reading arrives, and the request for the role gets lost.
        let reading = try #require(pair.lastQuestion[1])
        #expect(reading.kind == .read)
        var view = ArbiterView(
            record: pair.marrakech.replica.record, committed: .zero, remaining: .zero)
        pair.feed(
            .arbiter(ArbiterAnswer(echo: reading.sent, outcome: .seen, view: view)),
            to: .marrakech)
        let request = try #require(pair.lastQuestion[1])
        guard case .change(_, let asked, _) = request.kind else {
            Issue.record("the candidate did not ask for the role: \(request.words)")
            return
        }
        pair.marrakech.wanted = []
        let words = try heartbeat(&pair)
        #expect(words.has("send no grant") && !words.has("send grant"))
        // The outcome stays unknown for as long as anybody's patience lasts; then it promises again.
        pair.wait(Limits.arbiterPatience)
        #expect(try heartbeat(&pair).has("send grant"))
        view.record = asked
        pair.feed(
            .arbiter(ArbiterAnswer(echo: request.sent, outcome: .changed, view: view)),
            to: .marrakech)
        #expect(pair.marrakech.replica.role == .unconfirmed)
        #expect(pair.marrakech.replica.lease.expires == .zero)
    }

    /// A heartbeat of the primary arrives at the standby, by a link of its own.
    private func heartbeat(_ pair: inout Pair) throws -> [String] {
        var hello: [Effect] = []
        var rabat = pair.rabat.replica
        rabat.step(.linkUp, now: Now(pair.now), into: &hello)
        guard case .send(let greeting)? = hello.first(where: { $0.words == "send hello" }) else {
            Issue.record("no greeting")
            return []
        }
        pair.feed(.linkUp, to: .marrakech)
        pair.feed(.message(greeting), to: .marrakech)
        pair.marrakech.wanted = []
        pair.feed(
            .message(
                .heartbeat(
                    Heartbeat(
                        epoch: pair.marrakech.replica.record.epoch, sent: pair.now,
                        logEnd: .zero, logEndOffset: 0, committed: .zero, lagNanoseconds: nil))),
            to: .marrakech)
        return pair.marrakech.news()
    }
}
