import Testing

@testable import SanadCore

/// Every effect stands where its duty is: durable before it is said, recorded before it is used.
@Suite("Duties in their order")
struct DutyOrderTests {
    @Test("a new cluster: the epoch, the record and the reign are remembered before they are used")
    func newCluster() {
        var pair = Pair()
        pair.wait(.milliseconds(50))
        let rabat = pair.rabat.news()
        #expect(
            rabat.haveInOrder(
                "persist epoch 1", "send proposal v1 e1 rabat [marrakech rabat]",
                "persist v1 e1 rabat", "role primary", "remember epoch 1", "append 1", "commit 1"))
        let marrakech = pair.marrakech.news()
        #expect(
            marrakech.haveInOrder(
                "persist v1 e1 rabat", "send proposal answer: yes", "send resume 0",
                "remember epoch 1", "append 1", "send progress 1"))
    }

    @Test("sync: a frame leaves before the own fsync, and is committed when both disks have it")
    func primary() {
        var pair = Pair.settled()
        pair.rabat.isDiskStuck = true
        pair.write()
        var words = pair.rabat.news()
        #expect(words.haveInOrder("ship 3", "append 3"))
        #expect(pair.rabat.replica.peerProgress?.durable == Sequence(3))
        #expect(!words.has("commit"))
        pair.freeDisk(.rabat)
        #expect(pair.rabat.news() == ["commit 3"])

        pair.marrakech.isDiskStuck = true
        pair.write()
        words = pair.rabat.news()
        #expect(pair.rabat.replica.durable.sequence == Sequence(4))
        #expect(!words.has("commit 4"))
        #expect(!pair.rabat.replica.isOnBothSites(Sequence(4)))
        pair.freeDisk(.marrakech)
        #expect(pair.rabat.news().has("commit 4"))
        #expect(pair.rabat.replica.isOnBothSites(Sequence(4)))
    }

    @Test("the standby confirms what is durable, and shows what the primary called committed")
    func standby() {
        var pair = Pair.settled()
        pair.wait(.milliseconds(20))
        pair.marrakech.wanted = []
        pair.marrakech.isDiskStuck = true
        pair.write()
        #expect(pair.marrakech.news() == ["append 3"])
        pair.freeDisk(.marrakech)
        // Confirmed, and not yet shown: the primary has not said that it is committed.
        #expect(pair.marrakech.news() == ["send progress 3"])
        #expect(pair.rabat.replica.committed == Sequence(3))
        #expect(pair.marrakech.replica.committed == Sequence(2))
        pair.wait(.milliseconds(20))
        #expect(pair.marrakech.news().has("commit 3"))
    }

    @Test("async: one disk is enough, and the answer is not 'both sites'")
    func alone() {
        var pair = Pair.settled { $0.mode = .async }
        pair.cutLink()
        pair.write()
        #expect(pair.rabat.replica.committed == Sequence(3))
        #expect(!pair.rabat.replica.isOnBothSites(Sequence(3)))
    }

    @Test("async with max_loss: the primary acknowledges no further ahead of a listed standby")
    func allowedLoss() {
        var pair = Pair.settled {
            $0.mode = .async
            $0.maxLoss = 2
        }
        pair.marrakech.isDiskStuck = true
        for _ in 0..<3 { pair.write() }
        #expect(pair.rabat.replica.durable.sequence == Sequence(5))
        #expect(pair.rabat.replica.committed == Sequence(4))
        pair.freeDisk(.marrakech)
        #expect(pair.rabat.replica.committed == Sequence(5))
    }

    @Test("a promotion: epoch before the question, record before the role, reign before its frame")
    func promotion() {
        var pair = Pair.settled(hasArbiter: true)
        let version = pair.rabat.replica.record.version
        pair.kill(.rabat)
        pair.wait(.seconds(5))
        let change = "v\(version + 1) e2 marrakech [marrakech]"
        #expect(
            pair.marrakech.news().haveInOrder(
                "persist epoch 2", "ask change \(version) to \(change)", "persist \(change)",
                "role primary", "remember epoch 2", "append 3", "commit 3"))
    }

    @Test("a window that is full holds writes back, and a confirmation lets them go on")
    func window() {
        var pair = Pair.settled { $0.windowBytes = 400 }
        #expect(pair.rabat.replica.admission(at: pair.now) == .open)
        pair.marrakech.isDiskStuck = true
        for _ in 0..<4 { pair.write() }
        #expect(pair.rabat.replica.admission(at: pair.now) == .wait)
        pair.freeDisk(.marrakech)
        #expect(pair.rabat.replica.admission(at: pair.now) == .open)
    }
}
