import Testing

@testable import SanadCore

/// What an operator's word is worth beside an arbiter that has lost its store, or that knows better.
@Suite("Operators and arbiters")
struct ForgetfulArbiterTests {
    @Test("a loss accepted against an arbiter that forgot waits for the lease that it had given")
    func owedWait() {
        var pair = Pair.settled(hasArbiter: true)
        pair.cutLink()
        pair.wait(.seconds(5))
        #expect(pair.marrakech.replica.record.inSync == [Places.rabat])
        // Rabat has renewed its lease just now, and nobody but it knows of that any more.
        pair.isWitnessCut = [true, false]
        pair.emptyWitness()
        #expect(pair.writable == [.rabat])
        pair.command(.promote(acceptLoss: true), at: .marrakech)
        let begin = pair.now
        while pair.now < begin + .milliseconds(3_020) {
            pair.wait(.milliseconds(10))
            #expect(!pair.writable.contains(.marrakech))
        }
        pair.wait(.milliseconds(100))
        #expect(pair.writable == [.marrakech])
        #expect(pair.witness?.durable.record == pair.marrakech.replica.record)
    }

    @Test("a restarted primary whose arbiter forgot takes its role by an operator's word alone")
    func ownWay() {
        var pair = Pair.settled(hasArbiter: true)
        pair.kill(.marrakech)
        pair.kill(.rabat)
        pair.emptyWitness()
        pair.restart(.rabat)
        pair.wait(.seconds(20))
        #expect(pair.writable == [])
        let words = pair.rabat.replica.objection(to: .promote(acceptLoss: false), at: pair.now)
        #expect(words?.contains("--accept-loss") == true)
        pair.command(.promote(acceptLoss: true), at: .rabat)
        pair.wait(.seconds(4))
        #expect(pair.writable == [.rabat])
        #expect(pair.rabat.replica.history.last?.isOverride == true)
    }

    @Test("run-alone is refused while the arbiter says that the other one holds its lease")
    func refused() {
        var pair = Pair.settled(hasArbiter: true)
        pair.cutLink()
        pair.wait(.seconds(5))
        let words = pair.marrakech.replica.objection(to: .runAlone, at: pair.now)
        #expect(words?.hasPrefix("the arbiter answers, and rabat holds its lease") == true)
        pair.kill(.rabat)
        pair.wait(.seconds(5))
        #expect(pair.marrakech.replica.objection(to: .runAlone, at: pair.now) == nil)
        // Who cannot ask it knows nothing of a lease: that is what the command is for.
        pair.restart(.rabat)
        pair.wait(.seconds(1))
        pair.isWitnessCut = [false, true]
        pair.wait(.seconds(4))
        #expect(pair.writable == [.rabat])
        #expect(pair.marrakech.replica.objection(to: .runAlone, at: pair.now) == nil)
    }

    /// Marrakech runs alone, without an arbiter to ask, and Rabat goes on as primary.
    private func alone() -> Pair {
        // So that the arbiter's version does not tell already.
        var pair = Pair.settled(hasArbiter: true) { $0.onStandbyLoss = .block }
        pair.cutLink()
        pair.isWitnessCut = [false, true]
        pair.wait(.seconds(5))
        pair.command(.runAlone, at: .marrakech)
        #expect(pair.writable == [.rabat, .marrakech])
        return pair
    }

    @Test("who runs alone stops when the other one goes on renewing the arbiter's lease")
    func renewed() {
        var pair = alone()
        pair.isWitnessCut = [false, false]
        pair.wait(.seconds(5))
        #expect(pair.writable == [.rabat, .marrakech], "one lease may just be ending")
        pair.wait(.seconds(10))
        #expect(pair.writable == [.rabat])
        #expect(pair.marrakech.replica.conflict?.contains("goes on renewing") == true)
        #expect(pair.marrakech.news().haveInOrder("persist conflict", "role unconfirmed"))
    }

    @Test("a lease that ends, or a wait of an arbiter that started, is nobody's renewal")
    func notRenewed() {
        var pair = alone()
        pair.kill(.rabat)
        pair.isWitnessCut = [false, false]
        pair.wait(.seconds(1))
        pair.witness = pair.witness.map {
            Witness(
                durable: $0.durable, members: $0.members, now: pair.now,
                wait: Places.timing.grantWait)
        }
        pair.wait(.seconds(30))
        #expect(pair.marrakech.replica.conflict == nil)
        #expect(pair.writable == [.marrakech])
        #expect(!pair.marrakech.replica.runsAlone, "the arbiter has its record")
        #expect(pair.witness?.durable.record == pair.marrakech.replica.record)
    }
}
