import Testing

@testable import SanadCore

@Suite("Switchover")
struct SwitchoverTests {
    @Test(
        "the role is given up before it is handed over, and taken at once",
        arguments: [false, true])
    func handOver(hasArbiter: Bool) {
        var pair = Pair.settled(hasArbiter: hasArbiter)
        pair.command(.switchover, at: .rabat)
        pair.wait(.milliseconds(50))
        let words = pair.rabat.news()
        #expect(words.haveInOrder("send commit 2", "role unconfirmed", "send hand over at 2"))
        if hasArbiter {
            #expect(words.haveInOrder("role unconfirmed", "ask release 1", "send hand over at 2"))
        }
        #expect(pair.writable == [.marrakech])
        #expect(pair.marrakech.replica.record.epoch == Epoch(2))
        // The old primary has everything: it stays counted on.
        #expect(pair.marrakech.replica.record.inSync == [Places.marrakech, Places.rabat])
        pair.wait(.seconds(1))
        #expect(pair.rabat.replica.role == .standby)
        #expect(pair.rabat.replica.durable == pair.marrakech.replica.durable)
        pair.command(.switchover, at: .marrakech)
        pair.wait(.seconds(1))
        #expect(pair.writable == [.rabat])
        // And nobody takes it back by itself.
        pair.wait(.seconds(10))
        #expect(pair.rabat.replica.record.epoch == Epoch(3))
    }

    @Test("it waits until the standby has everything, and writes wait meanwhile")
    func drain() {
        var pair = Pair.settled { $0.onStandbyLoss = .block }
        pair.marrakech.isDiskStuck = true
        pair.write()
        pair.command(.switchover, at: .rabat)
        #expect(pair.rabat.replica.admission(at: pair.now) == .wait)
        pair.wait(.seconds(1))
        #expect(pair.rabat.replica.role == .primary)
        #expect(!pair.rabat.news().has("send hand over"))
        pair.freeDisk(.marrakech)
        pair.wait(.milliseconds(50))
        #expect(pair.rabat.news().has("send hand over at 3"))
        #expect(pair.marrakech.replica.role == .primary)
    }

    @Test("it waits until every client has its answer, which comes with what is applied")
    func answered() {
        var pair = Pair.settled()
        pair.rabat.isTableStuck = true
        pair.write()
        pair.command(.switchover, at: .rabat)
        pair.wait(.milliseconds(500))
        #expect(pair.rabat.replica.committed == Sequence(3))
        #expect(pair.rabat.replica.role == .primary)
        pair.freeTable(.rabat)
        pair.wait(.milliseconds(50))
        #expect(pair.writable == [.marrakech])
    }

    @Test("a standby that cannot keep up leaves the role where it is")
    func drainTimeout() {
        var pair = Pair.settled { $0.onStandbyLoss = .block }
        pair.marrakech.isDiskStuck = true
        pair.write()
        pair.command(.switchover, at: .rabat)
        pair.wait(Limits.drainTimeout + .milliseconds(10))
        #expect(pair.writable == [.rabat])
        #expect(pair.rabat.news().has("report warning: switchover given up"))
        pair.freeDisk(.marrakech)
        #expect(pair.rabat.replica.admission(at: pair.now) == .open)
    }

    enum Obstacle: CaseIterable { case shorterLog, otherReign, fence, brokenStore }

    @Test("a standby that may not take the role refuses it", arguments: Obstacle.allCases)
    func refused(_ obstacle: Obstacle) {
        var pair = Pair.settled()
        var words = HandOver(epoch: Epoch(1), position: pair.rabat.replica.logEnd)
        let reason: String
        switch obstacle {
        case .shorterLog:
            // The primary has one more frame than it ever sent.
            words.position = pair.rabat.nextFrame.position
            reason = "this node's log ends at"
        case .otherReign:
            words.epoch = Epoch(2)
            reason = "this node does not follow epoch 2"
        case .fence:
            pair.command(.fence, at: .marrakech)
            reason = "test"
        case .brokenStore:
            pair.feed(.storeFailed("the disk reports an error"), to: .marrakech)
            reason = "the disk reports an error"
        }
        pair.marrakech.wanted = []
        pair.feed(.message(.handOver(words)), to: .marrakech)
        #expect(pair.marrakech.news().has("send hand over refused: \(reason)"))
        #expect(pair.marrakech.replica.role == .standby)
    }

    @Test(
        "nobody answers the hand-over: the old primary asks for its role again",
        arguments: [false, true])
    func takeBack(hasArbiter: Bool) {
        var pair = Pair.settled(hasArbiter: hasArbiter)
        pair.isDeaf = [false, true]
        pair.command(.switchover, at: .rabat)
        pair.wait(.milliseconds(50))
        #expect(pair.writable == [])
        pair.wait(.milliseconds(1_900))
        #expect(pair.rabat.replica.isHandingOver)
        pair.isDeaf = [false, false]
        pair.wait(.seconds(2))
        #expect(pair.writable == [.rabat])
        #expect(pair.rabat.replica.record.epoch == Epoch(2))
        #expect(pair.marrakech.replica.record == pair.rabat.replica.record)
    }

    @Test("what an operator is told instead")
    func objections() {
        var pair = Pair.settled()
        func objection(_ name: Pair.Name) -> String? {
            pair.sites[name.rawValue].replica.objection(to: .switchover, at: pair.now)
        }
        #expect(objection(.rabat) == nil)
        #expect(objection(.marrakech) == "this node is standby; ask the primary")
        pair.marrakech.isDiskStuck = true
        pair.write()
        pair.command(.switchover, at: .rabat)
        #expect(objection(.rabat) == "a switchover is under way")
        pair.kill(.marrakech)
        pair.wait(.seconds(6))
        #expect(objection(.rabat) == "this primary holds no lease")
    }
}
