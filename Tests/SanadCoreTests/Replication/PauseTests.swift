import Testing

@testable import SanadCore

@Suite("A pause of automatic promotion")
struct PauseTests {
    @Test(
        "a pause holds on both sites, wherever it was said, and ends by itself",
        arguments: Pair.Name.allCases)
    func pause(site: Pair.Name) {
        var pair = Pair.settled()
        pair.command(.pause(until: pair.now + .seconds(20)), at: site)
        pair.kill(.rabat)
        pair.wait(.milliseconds(19_900))
        #expect(pair.marrakech.replica.role == .standby)
        pair.wait(.milliseconds(200))
        #expect(pair.marrakech.replica.role == .primary)
    }

    @Test("it is durable before it is said, and at the other site before it counts there")
    func durable() {
        var pair = Pair.settled()
        pair.command(.pause(until: pair.now + .seconds(20)), at: .rabat)
        #expect(pair.rabat.news().haveInOrder("persist pause", "send pause"))
        #expect(pair.marrakech.news().has("persist pause"))
        pair.command(.resume, at: .marrakech)
        #expect(pair.marrakech.news().haveInOrder("forget pause", "send pause"))
        #expect(pair.rabat.news().has("forget pause"))
        #expect(pair.rabat.replica.pausedUntil == .zero)
    }

    @Test("a primary tells it again on each link, and what is known is not written again")
    func toldAgain() {
        var pair = Pair.settled(hasArbiter: true)
        pair.cutLink()
        pair.command(.pause(until: pair.now + .seconds(60)), at: .rabat)
        #expect(pair.marrakech.replica.pausedUntil == .zero)
        pair.isLinkCut = false
        pair.wait(.seconds(5))
        #expect(pair.marrakech.news().filter { $0 == "persist pause" }.count == 1)
        pair.cutLink()
        pair.isLinkCut = false
        pair.wait(.seconds(1))
        #expect(pair.rabat.news().filter { $0.hasPrefix("send pause") }.count == 2)
        #expect(!pair.marrakech.news().has("persist pause"))
        pair.kill(.rabat)
        pair.wait(.seconds(20))
        #expect(pair.marrakech.replica.role == .standby)
    }

    @Test("what the peer says of a pause is bounded, whatever its clock did")
    func bounded() {
        var pair = Pair.settled()
        pair.feed(.message(.pause(.seconds(900_000))), to: .marrakech)
        #expect(pair.marrakech.replica.pausedUntil == pair.now + Limits.pauseMaximum)
    }

    enum Stage: CaseIterable { case veto, reading, waiting }

    @Test("it stops a bid that is under way, at whatever stage", arguments: Stage.allCases)
    func stopsBid(stage: Stage) {
        var pair = Pair.settled(hasArbiter: true) { $0.hasVeto = stage == .veto }
        pair.kill(.rabat)
        pair.isWitnessCut = [false, true]
        if stage == .waiting {
            // The witness has started anew, and waits for a lease that it does not remember.
            pair.wait(.seconds(2))
            let wait = Span.seconds(30)
            pair.witness = pair.witness.map {
                Witness(durable: $0.durable, members: $0.members, now: pair.now, wait: wait)
            }
            pair.isWitnessCut = [false, false]
        }
        pair.wait(.seconds(4))
        #expect(pair.marrakech.replica.isSeekingRole)
        pair.command(.pause(until: pair.now + .seconds(60)), at: .marrakech)
        pair.isWitnessCut = [false, false]
        pair.wait(.seconds(50))
        #expect(pair.marrakech.replica.role == .standby)
        #expect(!pair.marrakech.replica.isSeekingRole)
        #expect(pair.marrakech.news().has("report warning: not promoted: automatic promotion is"))
        pair.wait(.seconds(15))
        #expect(pair.writable == [.marrakech])
    }

    @Test("it holds no operator back, nor a primary that restarts")
    func others() {
        var pair = Pair.settled(hasArbiter: true)
        pair.command(.pause(until: pair.now + .seconds(60)), at: .rabat)
        pair.kill(.marrakech)
        pair.restart(.rabat)
        // As the store remembers it.
        pair.command(.pause(until: pair.now + .seconds(50)), at: .rabat)
        pair.wait(.seconds(1))
        #expect(pair.writable == [.rabat])
        pair.restart(.marrakech)
        pair.wait(.seconds(1))
        pair.kill(.rabat)
        pair.wait(.seconds(5))
        pair.command(.promote(acceptLoss: false), at: .marrakech)
        pair.wait(.seconds(1))
        #expect(pair.writable == [.marrakech])
    }
}
