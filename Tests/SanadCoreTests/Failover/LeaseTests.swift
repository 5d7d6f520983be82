import Testing

@testable import SanadCore

/// The arithmetic that keeps two primaries apart: all times in milliseconds of one host's clock.
@Suite("Lease and grant")
struct LeaseTests {
    enum Granter { case standby, arbiter }

    private func lease(_ granted: [(Granter, sent: UInt64)]) -> Lease {
        var lease = Lease()
        for (granter, sent) in granted {
            switch granter {
            case .standby: lease.standbyGranted(sent: .at(sent), length: .seconds(3))
            case .arbiter: lease.arbiterGranted(sent: .at(sent), length: .seconds(3))
            }
        }
        return lease
    }

    @Test("nobody's word is no lease, at any time")
    func none() {
        #expect(!Lease().holds(at: .zero))
        #expect(!Lease().holds(at: .at(1)))
    }

    /// Who granted what was sent when, and the first moment without a lease.
    static let ends: [([(Granter, sent: UInt64)], UInt64)] = [
        ([(.standby, 1_000)], 4_000),
        ([(.arbiter, 1_000)], 4_000),
        // The later of the two counts, whichever it is and in whatever order they came.
        ([(.standby, 1_000), (.arbiter, 1_700)], 4_700),
        ([(.arbiter, 1_000), (.standby, 1_700)], 4_700),
        ([(.standby, 1_700), (.arbiter, 1_000)], 4_700),
        // An answer that was overtaken by a later one takes nothing back.
        ([(.standby, 2_000), (.standby, 1_500)], 5_000),
        ([(.arbiter, 2_000), (.arbiter, 1_500)], 5_000),
    ]

    @Test("it counts from the sending of the question that was granted", arguments: ends)
    func end(granted: [(Granter, sent: UInt64)], end: UInt64) {
        let lease = lease(granted)
        #expect(lease.expires == .at(end))
        #expect(lease.holds(at: .at(end - 1)))
        #expect(!lease.holds(at: .at(end)))
    }

    @Test("an answer that comes a lease late is a lease that has ended")
    func late() {
        // Sent at 1,000 and heard at 4,000: nothing is left of it.
        #expect(!lease([(.standby, 1_000)]).holds(at: .at(4_000)))
        #expect(!lease([(.arbiter, 1_000)]).holds(at: .at(9_000)))
    }

    @Test("a promise counts from the answer, and a later one only prolongs it")
    func grant() {
        var grant = Grant(startedAt: .zero, wait: .zero)
        #expect(grant.hasExpired(at: .zero))
        grant.give(at: .at(1_000), wait: Places.timing.grantWait)
        #expect(!grant.hasExpired(at: .at(4_029)))
        #expect(grant.hasExpired(at: .at(4_030)))
        grant.give(at: .at(900), wait: .milliseconds(10))
        #expect(grant.expires == .at(4_030))
    }

    @Test("a granter that restarts waits a whole promise out")
    func restart() {
        let grant = Grant(startedAt: .at(500), wait: Places.timing.grantWait)
        #expect(!grant.hasExpired(at: .at(3_529)))
        #expect(grant.hasExpired(at: .at(3_530)))
    }

    @Test("a promise that the primary gave back is over at once, and a new one counts again")
    func release() {
        var grant = Grant(startedAt: .at(500), wait: Places.timing.grantWait)
        grant.release()
        #expect(grant.hasExpired(at: .at(500)))
        grant.give(at: .at(600), wait: .seconds(1))
        #expect(grant.expires == .at(1_600))
    }

    /// The primary's clock runs by the stated drift slower than the granter's: the worst case.
    @Test("the lease has ended on the slowest clock when the promise ends on the fastest")
    func drift() {
        let rates: [(primary: UInt64, granter: UInt64)] = [(1_000, 1_000), (1_000, 1_010)]
        for rate in rates {
            var grant = Grant(startedAt: .zero, wait: .zero)
            // Sent and answered at the same true moment, zero: the answer cannot come before.
            grant.give(at: .zero, wait: Places.timing.grantWait)
            let promiseEnds = grant.expires.nanoseconds * 1_000 / rate.granter
            let leaseEnds = lease([(.standby, 0)]).expires.nanoseconds * 1_000 / rate.primary
            #expect(leaseEnds <= promiseEnds)
        }
    }
}
