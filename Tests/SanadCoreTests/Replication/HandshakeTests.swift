import Testing

@testable import SanadCore

/// Whom a node works with, and what an earlier link leaves behind.
@Suite("A new link")
struct HandshakeTests {
    enum Difference: CaseIterable { case mode, maxLoss }

    @Test(
        "both sites must agree on the mode and on the loss, and each refuses",
        arguments: Difference.allCases, Pair.Name.allCases)
    func agreement(_ difference: Difference, hearing: Pair.Name) {
        var pair = Pair {
            let isRabat = $0.identity == Places.rabat
            $0.mode = difference == .mode && isRabat ? .sync : .async
            $0.maxLoss = difference == .maxLoss && isRabat ? 2 : 0
        }
        pair.isDeaf[1 - hearing.rawValue] = true
        pair.wait(.seconds(2))
        let words = pair.sites[hearing.rawValue].news()
        #expect(words.has("send refusal: replication.mode or failover.max_loss differ"))
        #expect(pair.sites.allSatisfy { $0.replica.role == .unconfirmed })
    }

    @Test("in sync mode no loss is allowed, so a difference in max_loss is none")
    func syncLoss() {
        var pair = Pair { $0.maxLoss = $0.identity == Places.rabat ? 2 : 8 }
        pair.wait(.seconds(2))
        #expect(pair.writable == [.rabat])
    }

    @Test("another version of the protocol is refused by its range alone")
    func otherProtocol() {
        var pair = Pair()
        pair.isDeaf = [false, true]
        pair.pass()
        pair.marrakech.wanted = []
        let versions = ProtocolRange(oldest: 8, newest: 9)
        pair.feed(.message(.otherProtocol(versions)), to: .marrakech)
        let own = Message.protocolVersions
        let reason =
            "protocol versions 8-9 there, \(own.lowerBound)-\(own.upperBound) here; "
            + "upgrade the older node"
        #expect(
            pair.marrakech.news().haveInOrder(
                "report error: refused the peer: \(reason)", "send refusal: \(reason)",
                "peer refused", "close link: \(reason)"))
    }

    enum Answer: CaseIterable { case rows, base, page }

    @Test("what was read for an earlier link is not sent on this one", arguments: Answer.allCases)
    func earlierLink(_ answer: Answer) {
        var pair = Pair.settled()
        pair.cutLink()
        pair.isLinkCut = false
        pair.pass()
        let present = pair.rabat.replica.session
        func input(_ session: UInt64) -> Input {
            switch answer {
            case .rows: .recordsRead(session: session, [], readAt: Sequence(2))
            case .base: .snapshotOpened(session: session, base: .origin, offset: 0)
            case .page:
                .pageRead(session: session, [], last: nil, readAt: Sequence(2), isLast: true)
            }
        }
        // Nothing that is sent has to make sense to the standby here.
        pair.isDeaf = [false, true]
        if answer == .page {
            pair.feed(.snapshotOpened(session: present, base: .origin, offset: 0), to: .rabat)
        }
        pair.rabat.wanted = []
        let words = answer == .base ? "send seeding" : "ship page"
        pair.feed(input(present - 1), to: .rabat)
        #expect(!pair.rabat.news().has(words))
        pair.feed(input(present), to: .rabat)
        #expect(pair.rabat.news().has(words))
    }

    /// The old greeting would tell the standby that its rows are from beyond the new reign's start.
    @Test("who takes its role again while it hands out a snapshot greets anew")
    func staleWhileSeeding() {
        var pair = Pair.settled()
        // What the snapshot is for does not matter here: the standby does not hear of it.
        pair.isDeaf = [false, true]
        pair.rabat.replica.isGreetingStale = false
        pair.feed(
            .snapshotOpened(
                session: pair.rabat.replica.session, base: pair.rabat.replica.logEnd, offset: 0),
            to: .rabat)
        #expect(pair.rabat.news().has("send seeding"))
        pair.isDeaf = [false, false]
        var effects: [Effect] = []
        pair.rabat.replica.stepDown("test", &effects)
        pair.wait(.milliseconds(500))
        #expect(
            pair.rabat.news().haveInOrder(
                "role primary", "close link: this node became primary", "send lead"))
        #expect(pair.writable == [.rabat])
    }

    @Test("the primary's own record counts over another of the same version")
    func sameVersion() {
        var pair = Pair.settled()
        pair.cutLink()
        // As an operator had it written when this node gave way, while the primary changed its own.
        let kept = pair.rabat.replica.record
        pair.marrakech.replica.record.inSync = [Places.rabat]
        pair.isLinkCut = false
        pair.wait(.seconds(1))
        #expect(pair.rabat.replica.record == kept)
        #expect(pair.marrakech.replica.record == kept)
        #expect(pair.marrakech.disk.record == kept)
        #expect(pair.writable == [.rabat])
    }

    @Test("a standby asks for rows when all that it has is durable, and not before")
    func namesWhenDurable() {
        var pair = Pair.settled()
        pair.marrakech.isDiskStuck = true
        pair.write()
        pair.cutLink()
        pair.marrakech.replica.repair = .rejoin(namesLeft: true, consistentFrom: Sequence(2))
        pair.isLinkCut = false
        pair.marrakech.wanted = []
        pair.pass()
        #expect(pair.marrakech.replica.logEnd.sequence == Sequence(3))
        #expect(pair.marrakech.replica.durable.sequence == Sequence(2))
        #expect(!pair.marrakech.news().has("repair: readNames"))
        pair.freeDisk(.marrakech)
        #expect(pair.marrakech.news().has("repair: readNames"))
    }
}
