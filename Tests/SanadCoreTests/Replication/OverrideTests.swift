import Testing

@testable import SanadCore

/// The one way to two primaries: an operator's word. They find each other out.
@Suite("Overrides, and the fork that they make")
struct OverrideTests {
    /// Rabat runs alone by an operator's word, while Marrakech took over by itself; both wrote.
    private func forked() -> Pair {
        var pair = Pair.settled()
        pair.cutLink()
        pair.command(.runAlone, at: .rabat)
        pair.write(at: .rabat)
        pair.wait(.seconds(5))
        pair.write(at: .marrakech)
        #expect(pair.writable == [.rabat, .marrakech])
        return pair
    }

    @Test("run-alone needs nobody, says so in its reign, and ends what was under way")
    func runAlone() {
        var pair = Pair.settled()
        pair.kill(.marrakech)
        pair.wait(.seconds(10))
        #expect(pair.writable == [])
        pair.rabat.wanted = []
        pair.command(.runAlone, at: .rabat)
        #expect(
            pair.rabat.news().haveInOrder(
                "abandon writes", "persist v2 e2 rabat [rabat]", "role primary", "remember epoch 2",
                "append 3", "commit 3"))
        #expect(pair.rabat.log.last?.epochStart?.isOverride == true)
        pair.wait(.seconds(60))
        #expect(pair.writable == [.rabat])
    }

    @Test("at their first contact both stop, also across a restart, until an operator has chosen")
    func conflict() {
        var pair = forked()
        pair.isLinkCut = false
        pair.wait(.milliseconds(50))
        #expect(pair.writable == [])
        for name in Pair.Name.allCases {
            #expect(
                pair.sites[name.rawValue].news().haveInOrder(
                    "persist conflict", "report error: two primaries", "role unconfirmed"))
        }
        pair.restart(.rabat)
        pair.restart(.marrakech)
        pair.wait(.seconds(60))
        #expect(pair.writable == [])
        #expect(pair.rabat.replica.objection(to: .promote(acceptLoss: true), at: pair.now) != nil)
        #expect(pair.rabat.replica.objection(to: .runAlone, at: pair.now) != nil)
    }

    @Test(
        "the one that gives way follows, and what only it had goes to quarantine",
        arguments: Pair.Name.allCases)
    func giveWay(loser: Pair.Name) {
        var pair = forked()
        let winner: Pair.Name = loser == .rabat ? .marrakech : .rabat
        let kept = pair.sites[winner.rawValue].log
        pair.isLinkCut = false
        pair.wait(.milliseconds(50))
        pair.command(.giveWay, at: loser)
        pair.wait(.seconds(10))
        #expect(pair.writable == [winner])
        #expect(pair.sites[loser.rawValue].wanted.has("cut log after 2"))
        #expect(!pair.sites[winner.rawValue].wanted.has("cut log"))
        #expect(pair.sites[winner.rawValue].log.starts(with: kept) { $0.hash == $1.hash })
        #expect(
            pair.sites[0].replica.durable == pair.sites[1].replica.durable)
    }

    @Test("without a conflict there is nothing to give way to")
    func objection() {
        let pair = Pair.settled()
        let words = pair.rabat.replica.objection(to: .giveWay, at: pair.now)
        #expect(words?.hasPrefix("no other primary was met") == true)
    }

    @Test("an old primary that was merely cut off is no conflict: it steps down and follows")
    func noConflict() {
        var pair = Pair.settled()
        pair.cutLink()
        pair.write(at: .rabat)
        pair.wait(.seconds(10))
        pair.write(at: .marrakech)
        pair.isLinkCut = false
        pair.wait(.seconds(1))
        let words = pair.rabat.news()
        #expect(!words.has("persist conflict"))
        #expect(words.haveInOrder("role unconfirmed", "role standby", "cut log after 2"))
        #expect(words.has("report warning: moving 1 transactions after 1/2/"))
        #expect(pair.writable == [.marrakech])
    }

    @Test("a primary does not empty its store, nor does the last one in sync, nor without a source")
    func reseed() {
        var pair = Pair.settled(hasArbiter: true)
        func objection(_ name: Pair.Name) -> String? {
            pair.sites[name.rawValue].replica.objection(to: .reseed, at: pair.now)
        }
        #expect(objection(.rabat)?.contains("this node is primary") == true)
        #expect(objection(.marrakech) == nil)
        pair.cutLink()
        pair.wait(.seconds(5))
        #expect(objection(.marrakech)?.contains("nobody to take records from") == true)
        pair.command(.fence, at: .rabat)
        #expect(objection(.rabat)?.contains("the only one in sync") == true)
        pair.isLinkCut = false
        pair.command(.liftFence, at: .rabat)
        pair.wait(.seconds(5))
        pair.marrakech.wanted = []
        pair.command(.reseed, at: .marrakech)
        #expect(pair.marrakech.news().has("empty store, keeping the old"))
    }

    @Test(
        "a standby whose log has what the primary's has not, and no common end, says so and stops")
    func diverged() {
        var pair = Pair.settled()
        pair.cutLink()
        pair.marrakech.wanted = []
        pair.feed(.linkUp, to: .marrakech)
        var greeting: [Effect] = []
        var rabat = pair.rabat.replica
        rabat.step(.linkUp, now: Now(pair.now), into: &greeting)
        if case .send(let hello)? = greeting.first(where: { $0.words == "send hello" }) {
            pair.feed(.message(hello), to: .marrakech)
        }
        let strange = Position(epoch: Epoch(1), sequence: Sequence(1), hash: .zero)
        pair.feed(
            .message(.lead(Lead(epoch: Epoch(1), bound: strange, logBegin: .zero))),
            to: .marrakech)
        #expect(pair.marrakech.replica.storeProblem?.contains("sanadctl reseed") == true)
        #expect(!pair.marrakech.news().has("cut log"))
        pair.kill(.rabat)
        pair.wait(.seconds(20))
        #expect(pair.marrakech.replica.role != .primary)
    }

    @Test("rows that a repair read in another reign are fetched anew, also with nothing to cut off")
    func rowsOfOtherReign() {
        var pair = Pair.settled()
        // They were read at 9, and the history that both have ends at 2.
        pair.marrakech.disk.repair = .rejoin(namesLeft: true, consistentFrom: Sequence(9))
        pair.restart(.marrakech)
        pair.pass()
        var words = pair.marrakech.news()
        #expect(words.haveInOrder("cut log after 2", "repair: readNames"))
        #expect(!words.has("report warning: moving"))
        // What is read in the present reign outlives its link.
        let page = PagePacket(purpose: .rows, readAt: Sequence(9), isLast: true, rows: [])
        pair.feed(.page(page.encoded()), to: .marrakech)
        pair.cutLink()
        pair.isLinkCut = false
        pair.marrakech.wanted = []
        pair.pass()
        words = pair.marrakech.news()
        #expect(words.has("repair: readNames"))
        #expect(!words.has("cut log"))
    }

    @Test("a seeded standby that is led by a reign which begins before its pages begins anew")
    func ledByALostReign() {
        for readIn in [Epoch(1), nil] {
            var pair = Pair.settled()
            pair.marrakech.disk.repair = .seed(
                base: pair.marrakech.replica.logEnd, cursor: [1], isLoaded: true,
                consistentFrom: Sequence(9))
            pair.marrakech.disk.rowsEpoch = readIn
            pair.restart(.marrakech)
            pair.pass()
            // The present reign is the first one. Without its number nothing is known of the pages.
            #expect(pair.marrakech.news().has("empty store") == (readIn == nil))
        }
    }

    @Test("a standby takes no more pages at once than may be under way")
    func boundOfPages() {
        var pair = Pair.settled()
        pair.marrakech.disk.repair = .seed(
            base: pair.marrakech.replica.logEnd, cursor: nil, isLoaded: false,
            consistentFrom: .zero)
        pair.restart(.marrakech)
        pair.pass()
        let page = PagePacket(
            purpose: .snapshot, readAt: Sequence(2), isLast: false, rows: []
        ).encoded()
        // Nothing answers `loadPage` here, so all of them stay under way.
        for _ in 0..<Limits.pagesInFlightMaximum { pair.feed(.page(page), to: .marrakech) }
        #expect(!pair.marrakech.news().has("close link"))
        pair.feed(.page(page), to: .marrakech)
        #expect(pair.marrakech.news().has("close link: more pages"))
    }

    @Test(
        "pages that were read beyond what is left of their reign are given up",
        arguments: [
            // The reign that led when they were read, the next one's beginning, and the outcome.
            (UInt64(1), UInt64(8), true), (1, 9, false), (1, 20, false), (2, 8, false),
        ])
    func rowsOfLostReign(readIn: UInt64, begins: UInt64, isLost: Bool) throws {
        let pair = Pair.settled()
        var standby = pair.marrakech.replica
        var peer = try #require(standby.peerHello)
        standby.repair = .seed(
            base: standby.logEnd, cursor: [1], isLoaded: true, consistentFrom: Sequence(9))
        standby.rowsEpoch = Epoch(readIn)
        let lead = Lead(epoch: Epoch(2), bound: standby.logEnd, logBegin: .zero)
        // A greeting older than the reign tells by its log's end where that one began.
        peer.logEnd.sequence = Sequence(begins)
        #expect(standby.hasRowsOfLostReign(lead, by: peer) == isLost)
        let end = Position(epoch: Epoch(1), sequence: Sequence(begins), hash: .zero)
        peer.history.append(
            EpochEntry(
                epoch: Epoch(2), node: peer.identity.node, begins: end, start: end,
                wallMilliseconds: 0, reason: ""))
        peer.logEnd.sequence = Sequence(100)
        #expect(standby.hasRowsOfLostReign(lead, by: peer) == isLost)
        // Nothing was read beyond what the log has, so nothing can be lost.
        standby.repair = .seed(
            base: standby.logEnd, cursor: [1], isLoaded: true,
            consistentFrom: standby.logEnd.sequence)
        #expect(!standby.hasRowsOfLostReign(lead, by: peer))
    }
}
