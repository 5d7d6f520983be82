import Testing

@testable import SanadCore

/// Out: the record first, then the first acknowledgement of one site. In: both sites for every
/// acknowledgement first, then the record.
@Suite("In sync, and out of it")
struct SyncTests {
    @Test("with an arbiter: the arbiter's record says 'alone' before anything is committed alone")
    func degradeAtArbiter() {
        var pair = Pair.settled(hasArbiter: true)
        let before = pair.rabat.replica.record
        pair.cutLink()
        pair.write()
        pair.isWitnessCut = [false, true]
        pair.wait(.milliseconds(2_990))
        #expect(!pair.rabat.news().has("ask change"))
        pair.wait(.seconds(1))
        let alone = "v\(before.version + 1) e1 rabat [rabat]"
        #expect(
            pair.rabat.news().haveInOrder(
                "ask change \(before.version) to \(alone)", "persist \(alone)", "commit 3"))
        #expect(pair.witness?.durable.record.inSync == [Places.rabat])
        #expect(!pair.rabat.replica.isOnBothSites(Sequence(3)))
    }

    @Test("while the arbiter's answer is missing the stricter rule stays")
    func degradeUnanswered() {
        var pair = Pair.settled(hasArbiter: true)
        pair.marrakech.isDiskStuck = true
        pair.isWitnessCut = [true, true]
        pair.write()
        pair.wait(.seconds(10))
        #expect(pair.rabat.news().filter { $0.hasPrefix("ask change") }.count > 2)
        #expect(pair.writable == [.rabat])
        #expect(pair.rabat.replica.committed == Sequence(2))
    }

    @Test("without an arbiter: the record says 'alone' at the standby first, and it keeps to that")
    func degradeAtStandby() {
        var pair = Pair.settled()
        pair.marrakech.isDiskStuck = true
        pair.write()
        pair.wait(.milliseconds(2_990))
        #expect(pair.rabat.replica.committed == Sequence(2))
        pair.wait(.seconds(1))
        #expect(
            pair.rabat.news().haveInOrder(
                "send proposal v2 e1 rabat [rabat]", "persist v2 e1 rabat [rabat]", "commit 3"))
        #expect(
            pair.marrakech.news().haveInOrder(
                "persist v2 e1 rabat [rabat]", "send proposal answer: yes"))
        pair.kill(.rabat)
        pair.wait(.seconds(60))
        #expect(pair.marrakech.replica.role == .standby)
    }

    @Test("without an arbiter and without the standby nobody can be asked: writes stop")
    func nobodyToAsk() {
        var pair = Pair.settled()
        pair.kill(.marrakech)
        pair.write()
        pair.wait(.seconds(60))
        #expect(pair.writable == [])
        #expect(pair.rabat.replica.committed == Sequence(2))
        #expect(pair.rabat.replica.record.isInSync(Places.marrakech))
    }

    @Test("policy block: the primary waits for its standby, and goes on when it is back")
    func block() {
        var pair = Pair.settled(hasArbiter: true) { $0.onStandbyLoss = .block }
        pair.kill(.marrakech)
        pair.write()
        pair.wait(.seconds(30))
        #expect(pair.rabat.replica.committed == Sequence(2))
        #expect(pair.rabat.replica.record.isInSync(Places.marrakech))
        pair.restart(.marrakech)
        pair.wait(.seconds(1))
        #expect(pair.rabat.replica.committed == Sequence(3))
    }

    @Test("a standby that stops in order is let go at once")
    func leave() {
        var pair = Pair.settled(hasArbiter: true)
        pair.feed(.stopping, to: .marrakech)
        #expect(pair.marrakech.news().has("send leave"))
        pair.wait(.milliseconds(100))
        #expect(pair.rabat.replica.record.inSync == [Places.rabat])
        #expect(!pair.marrakech.replica.isCountedOn)
    }

    @Test(
        "a standby that answers and confirms nothing is gone on without", arguments: [false, true])
    func hungDisk(hasArbiter: Bool) {
        var pair = Pair.settled(hasArbiter: hasArbiter)
        pair.marrakech.isDiskStuck = true
        pair.write()
        pair.wait(.seconds(4))
        #expect(pair.rabat.replica.record.inSync == [Places.rabat])
        pair.write()
        #expect(pair.rabat.replica.committed == Sequence(4))
        pair.wait(.seconds(60))
        // It is not listed again as long as it stands still, and then it is.
        #expect(pair.rabat.replica.record.inSync == [Places.rabat])
        pair.freeDisk(.marrakech)
        pair.wait(.seconds(1))
        #expect(pair.rabat.replica.record.inSync == [Places.marrakech, Places.rabat])
    }

    @Test("a join that the standby does not finish is given up, and begins when it goes on")
    func hungJoin() {
        var pair = Pair.settled(hasArbiter: true)
        pair.marrakech.isDiskStuck = true
        for _ in 0..<2 { pair.write() }
        pair.wait(.seconds(4))
        // One of the two frames is confirmed, and the next one hangs again.
        let frames = pair.marrakech.unsynced
        pair.marrakech.unsynced = [frames[0]]
        if let done = pair.marrakech.sync() { pair.feed(done, to: .marrakech) }
        pair.marrakech.unsynced = [frames[1]]
        pair.write()
        #expect(pair.rabat.replica.needsStandby)
        #expect(pair.rabat.replica.committed == Sequence(4))
        pair.wait(.seconds(4))
        #expect(!pair.rabat.replica.needsStandby)
        #expect(pair.rabat.replica.committed == Sequence(5))
        pair.freeDisk(.marrakech)
        pair.wait(.seconds(1))
        #expect(pair.rabat.replica.record.inSync == [Places.marrakech, Places.rabat])
    }

    @Test("a standby that confirms something again is not lost, however slow it is")
    func slow() {
        var pair = Pair.settled(hasArbiter: true)
        pair.marrakech.isDiskStuck = true
        for _ in 0..<8 {
            pair.write()
            pair.wait(.milliseconds(2_900))
            if let done = pair.marrakech.sync() { pair.feed(done, to: .marrakech) }
        }
        #expect(pair.rabat.replica.record.isInSync(Places.marrakech))
    }

    /// The primary went on alone; the link is back, and the arbiter does not answer the join.
    private func joining() -> Pair {
        var pair = Pair.settled(hasArbiter: true)
        pair.cutLink()
        pair.wait(.seconds(5))
        pair.write()
        pair.isWitnessCut = [true, false]
        pair.isLinkCut = false
        pair.wait(.milliseconds(200))
        return pair
    }

    @Test("a join: both sites for every acknowledgement first, then the record")
    func join() {
        var pair = joining()
        let alone = pair.rabat.replica.record
        #expect(alone.inSync == [Places.rabat])
        #expect(pair.rabat.replica.needsStandby)
        pair.marrakech.isDiskStuck = true
        pair.write()
        #expect(pair.rabat.replica.committed == Sequence(3))
        pair.freeDisk(.marrakech)
        #expect(pair.rabat.replica.committed == Sequence(4))
        #expect(pair.rabat.replica.record == alone)
        pair.isWitnessCut = [false, false]
        pair.wait(.seconds(2))
        #expect(pair.rabat.replica.record.inSync == [Places.marrakech, Places.rabat])
        #expect(pair.marrakech.replica.record == pair.rabat.replica.record)
        #expect(pair.witness?.durable.record == pair.rabat.replica.record)
    }

    @Test("a join whose outcome is unknown goes on binding when the link is gone again")
    func joinOutlivesLink() {
        var pair = joining()
        pair.cutLink()
        pair.write()
        #expect(pair.rabat.replica.needsStandby)
        #expect(pair.rabat.replica.committed == Sequence(3))
        // The arbiter answers the join after all, and the way out begins anew.
        pair.isWitnessCut = [false, true]
        pair.wait(.seconds(8))
        #expect(pair.rabat.replica.record.inSync == [Places.rabat])
        #expect(pair.rabat.replica.committed == Sequence(4))
    }

    @Test("without an arbiter the primary is bound by its own record before the standby may count")
    func joinAtStandby() {
        var pair = Pair.settled()
        pair.marrakech.isDiskStuck = true
        pair.write()
        pair.wait(.seconds(4))
        #expect(pair.rabat.replica.record.inSync == [Places.rabat])
        for name in Pair.Name.allCases { pair.sites[name.rawValue].wanted = [] }
        pair.freeDisk(.marrakech)
        pair.wait(.seconds(1))
        let both = "v3 e1 rabat [marrakech rabat]"
        #expect(pair.rabat.news().haveInOrder("persist \(both)", "send proposal \(both)"))
        #expect(
            pair.marrakech.news().haveInOrder("persist \(both)", "send proposal answer: yes"))
    }

    @Test("async without max_loss: the standby is never listed, so it is never promoted by itself")
    func neverListed() {
        var pair = Pair.settled { $0.mode = .async }
        #expect(pair.rabat.replica.record.inSync == [Places.rabat])
        pair.kill(.rabat)
        pair.wait(.seconds(60))
        #expect(pair.marrakech.replica.role == .standby)
    }
}
