import Testing

@testable import SanadCore

/// A node never resumes a role on its own word, and never from a store that lacks something.
@Suite("After a restart")
struct RestartTests {
    @Test("a primary that restarted asks its peer, and begins a new epoch")
    func byPeer() {
        var pair = Pair.settled()
        pair.restart(.rabat)
        #expect(pair.rabat.replica.role == .unconfirmed)
        pair.wait(.milliseconds(100))
        let record = "v2 e2 rabat [marrakech rabat]"
        #expect(
            pair.rabat.news().haveInOrder(
                "persist epoch 2", "send proposal \(record)", "persist \(record)", "role primary",
                "append 3"))
        #expect(
            pair.marrakech.news().haveInOrder("persist \(record)", "send proposal answer: yes"))
    }

    @Test("without its peer, and without an arbiter, it stays without a role for ever")
    func alone() {
        var pair = Pair.settled()
        pair.kill(.marrakech)
        pair.restart(.rabat)
        pair.wait(.seconds(120))
        #expect(pair.rabat.replica.role == .unconfirmed)
        #expect(!pair.rabat.news().has("persist v"))
    }

    @Test("the arbiter's word is enough when the peer is away")
    func byArbiter() {
        var pair = Pair.settled(hasArbiter: true)
        pair.kill(.marrakech)
        pair.restart(.rabat)
        pair.wait(.seconds(1))
        #expect(pair.writable == [.rabat])
        #expect(pair.rabat.replica.record.epoch == Epoch(2))
        #expect(pair.rabat.replica.history.last?.reason == "restart, confirmed by the arbiter")
        // The list stays: the standby has what was acknowledged, so nothing is acknowledged alone.
        #expect(pair.rabat.replica.record.isInSync(Places.marrakech))
        #expect(pair.rabat.replica.needsStandby)
    }

    @Test("who comes back and finds another primary follows it", arguments: [false, true])
    func takenOver(hasArbiter: Bool) {
        var pair = Pair.settled(hasArbiter: hasArbiter)
        pair.kill(.rabat)
        pair.wait(.seconds(6))
        pair.write(at: .marrakech)
        pair.restart(.rabat)
        #expect(pair.rabat.replica.role == .unconfirmed)
        pair.wait(.seconds(2))
        #expect(pair.writable == [.marrakech])
        #expect(pair.rabat.replica.role == .standby)
        #expect(pair.rabat.replica.durable == pair.marrakech.replica.durable)
    }

    @Test("start order: the older one alone waits for the one that took over")
    func startOrder() {
        var pair = Pair.settled(hasArbiter: true)
        pair.kill(.rabat)
        pair.wait(.seconds(6))
        pair.write(at: .marrakech)
        pair.kill(.marrakech)
        pair.restart(.rabat)
        pair.wait(.seconds(60))
        #expect(pair.writable == [])
        #expect(pair.rabat.replica.role == .standby)
        pair.restart(.marrakech)
        pair.wait(.seconds(5))
        #expect(pair.writable == [.marrakech])
    }

    @Test("a standby that restarted does not know its last promise, and waits a whole one out")
    func granter() {
        var pair = Pair.settled()
        pair.kill(.rabat)
        pair.wait(.milliseconds(1_000))
        pair.restart(.marrakech)
        let begin = pair.now
        // It has to hear from somebody that the record still stands; nobody is there.
        pair.wait(.milliseconds(3_020))
        #expect(pair.marrakech.replica.role != .primary)
        #expect(pair.marrakech.replica.grant.expires >= begin + Places.timing.grantWait)
    }

    @Test(
        "a primary restored from an older copy is refused by the standby that knows more",
        arguments: [ReplicationMode.sync, .async])
    func restoredPrimary(mode: ReplicationMode) {
        var pair = Pair.settled { $0.mode = mode }
        let copy = pair.rabat
        pair.write()
        pair.wait(.milliseconds(50))
        pair.kill(.rabat)
        pair.rabat.disk = copy.disk
        pair.rabat.log = copy.log
        pair.restart(.rabat)
        pair.wait(.seconds(1))
        let words = pair.marrakech.news()
        #expect(words.has("send proposal answer: this node knows of 3"))
        #expect(words.has("report warning: refused rabat's proposal"))
        pair.wait(.seconds(5))
        // A standby that is not listed knows that much, and leaves the rest to an operator.
        #expect(pair.writable == (mode == .sync ? [.marrakech] : []))
        #expect((pair.rabat.replica.durable == pair.marrakech.replica.durable) == (mode == .sync))
    }

    /// Who of the two had heard the arbiter before it fell silent.
    @Test(
        "what the arbiter told counts when it has fallen silent",
        arguments: [[true, false], [false, true]])
    func restoredUnderSilence(hasHeard: [Bool]) {
        var pair = Pair.settled(hasArbiter: true) { $0.mode = .async }
        let copy = pair.rabat
        pair.kill(.marrakech)
        for _ in 0..<3 { pair.write() }
        pair.wait(.seconds(2))
        #expect(pair.witness?.durable.committed == Sequence(5))
        // Marrakech's store is new, and knows nothing by itself.
        pair.kill(.rabat)
        pair.rabat.disk = copy.disk
        pair.rabat.log = copy.log
        pair.restart(.rabat)
        var options = pair.marrakech.options
        options.identity.store = Identifier(high: 1, low: 99)
        pair.marrakech = Site(options, now: pair.now)
        pair.marrakech.disk.repair = .seed(
            base: nil, cursor: nil, isLoaded: false, consistentFrom: .zero)
        pair.restart(.marrakech)
        pair.isLinkCut = true
        pair.isWitnessCut = hasHeard.map { !$0 }
        pair.wait(.seconds(1))
        pair.isWitnessCut = [true, true]
        pair.isLinkCut = false
        pair.wait(.seconds(30))
        #expect(pair.writable == [])
        #expect(
            hasHeard[0]
                ? pair.rabat.news().has("report warning: this node lacks acknowledged writes")
                : pair.marrakech.news().has("send proposal answer: this node knows of 5"))
        // Nor does it help that the arbiter has forgotten it.
        pair.emptyWitness()
        pair.isWitnessCut = [false, false]
        pair.wait(.seconds(30))
        #expect(pair.writable == [])
        pair.command(.promote(acceptLoss: true), at: .rabat)
        pair.wait(.seconds(30))
        #expect(pair.writable == [.rabat])
    }

    @Test("what the arbiter tells between a proposal and its answer counts, too")
    func toldMeanwhile() {
        // The standby is not listed, so it does not take the role itself.
        var pair = Pair.settled(hasArbiter: true) { $0.mode = .async }
        pair.isWitnessCut = [true, true]
        pair.restart(.rabat)
        // A lease after its start the arbiter counts as away; shortly before, it hears no answers.
        pair.cutLink()
        pair.wait(Span(nanoseconds: Places.timing.lease.nanoseconds - 50_000_000))
        pair.isLinkCut = false
        pair.pass()
        pair.isDeaf = [true, false]
        pair.wait(.milliseconds(100))
        let version = pair.marrakech.replica.record.version
        #expect(pair.marrakech.news().has("send proposal answer: yes"))
        #expect(pair.rabat.replica.proposal?.record.version == version)
        let view = ArbiterView(
            record: pair.rabat.replica.record, committed: Sequence(9), remaining: .zero)
        pair.feed(
            .arbiter(ArbiterAnswer(echo: pair.now, outcome: .seen, view: view)), to: .rabat)
        pair.feed(
            .message(.proposalAnswer(ProposalAnswer(version: version, refusal: nil))), to: .rabat)
        pair.isDeaf = [false, false]
        pair.wait(.seconds(30))
        #expect(pair.writable == [])
        #expect(pair.rabat.news().has("report warning: this node lacks acknowledged writes"))
    }

    @Test("what an operator gave up does not keep a node from its role later")
    func acceptedLoss() {
        var pair = Pair.settled(hasArbiter: true)
        pair.marrakech.replica.committedByPrimary = Sequence(9)
        pair.kill(.rabat)
        pair.wait(.seconds(6))
        #expect(pair.writable == [])
        pair.command(.promote(acceptLoss: true), at: .marrakech)
        pair.wait(.seconds(6))
        #expect(pair.writable == [.marrakech])
        pair.command(.fence, at: .marrakech)
        pair.wait(.seconds(1))
        pair.command(.liftFence, at: .marrakech)
        pair.wait(.seconds(6))
        #expect(pair.writable == [.marrakech])
    }

    @Test("a primary reborn with an empty store is never the source", arguments: [false, true])
    func reborn(hasArbiter: Bool) {
        var pair = Pair.settled(hasArbiter: hasArbiter)
        let whole = pair.marrakech.log
        pair.kill(.rabat)
        var options = pair.rabat.options
        options.identity.store = Identifier(high: 1, low: 99)
        // Within the time in which nobody has noticed yet.
        pair.rabat = Site(options, now: pair.now)
        pair.restart(.rabat)
        for _ in 0..<100 {
            pair.wait(.milliseconds(100))
            #expect(pair.rabat.replica.role != .primary)
            #expect(pair.marrakech.log.starts(with: whole) { $0.hash == $1.hash })
        }
        #expect(pair.writable == [.marrakech])
        #expect(pair.rabat.replica.durable == pair.marrakech.replica.durable)
        #expect(pair.rabat.replica.record.isInSync(options.identity))
    }

    @Test("two emptied stores do not begin a new cluster under an arbiter that knows better")
    func bothEmpty() {
        var pair = Pair.settled(hasArbiter: true)
        for name in Pair.Name.allCases {
            pair.kill(name)
            var options = pair.sites[name.rawValue].options
            options.identity.store = Identifier(high: 2, low: UInt64(name.rawValue))
            pair.sites[name.rawValue] = Site(options, now: pair.now)
            pair.restart(name)
        }
        pair.wait(.seconds(60))
        #expect(pair.writable == [])
        #expect(pair.sites.allSatisfy { $0.log.isEmpty })
    }

    @Test("an emptied store that knows of no cluster does not help to begin one")
    func emptiedBeforeAll() {
        var pair = Pair()
        pair.marrakech.disk.repair = .seed(
            base: nil, cursor: nil, isLoaded: false, consistentFrom: .zero)
        pair.restart(.marrakech)
        pair.wait(.seconds(5))
        #expect(pair.writable == [])
        #expect(
            pair.marrakech.news().has(
                "send proposal answer: this store was emptied and waits for a snapshot"))
        #expect(pair.rabat.log.isEmpty)
    }

    @Test("an operator's fence survives a restart, and so does its lifting")
    func fence() {
        var pair = Pair.settled(hasArbiter: true)
        pair.command(.fence, at: .rabat)
        #expect(
            pair.rabat.news().haveInOrder("persist fence", "role unconfirmed", "ask release 1"))
        #expect(pair.writable == [])
        pair.wait(.seconds(6))
        #expect(pair.writable == [.marrakech])
        pair.restart(.rabat)
        pair.wait(.seconds(1))
        pair.kill(.marrakech)
        pair.wait(.seconds(20))
        #expect(pair.writable == [])
        pair.command(.liftFence, at: .rabat)
        pair.wait(.seconds(1))
        #expect(pair.writable == [.rabat])
    }

    @Test("it answers for all that was acknowledged only when its reign's first frame is applied")
    func word() {
        var pair = Pair.settled(hasArbiter: true)
        #expect(pair.rabat.replica.hasAppliedBeforeReign)
        #expect(!pair.marrakech.replica.hasAppliedBeforeReign)
        pair.kill(.marrakech)
        pair.restart(.rabat)
        pair.wait(.seconds(1))
        // It has its role and its lease, and cannot know what the two had acknowledged.
        #expect(pair.writable == [.rabat])
        #expect(!pair.rabat.replica.hasAppliedBeforeReign)
        pair.rabat.isTableStuck = true
        pair.restart(.marrakech)
        pair.wait(.seconds(1))
        #expect(pair.rabat.replica.committed == pair.rabat.replica.logEnd.sequence)
        #expect(!pair.rabat.replica.hasAppliedBeforeReign)
        pair.freeTable(.rabat)
        #expect(pair.rabat.replica.hasAppliedBeforeReign)
    }

    @Test("what the standby needs of the log is known after a restart", arguments: [1, 2, 3])
    func standbyMark(durable: UInt64) {
        var pair = Pair.settled(hasArbiter: true)
        pair.kill(.marrakech)
        pair.rabat.disk.standbyMark = Replica.StandbyMark(durable: Sequence(durable), offset: 9)
        pair.restart(.rabat)
        pair.wait(.seconds(1))
        #expect(pair.writable == [.rabat])
        // A mark beyond the log's end is one of a log that was lost.
        #expect(pair.rabat.replica.neededFrom == (durable <= 2 ? Sequence(durable) : nil))
    }
}
