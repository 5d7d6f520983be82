import SanadCore
import Testing

@testable import SanadNode

@Suite("The wait before the link is dialled again")
struct BackoffTests {
    /// A backoff that has reached its last wait, at an instant.
    private func grown(at now: Instant) -> Backoff {
        var backoff = Backoff()
        for _ in 0..<10 {
            backoff.dials(at: now)
            _ = backoff.next()
        }
        return backoff
    }

    @Test("grows while nobody answers, however long ago the last connection was")
    func grows() {
        var backoff = Backoff()
        var now = Instant.zero + .seconds(1)
        backoff.dials(at: now)
        backoff.connected(at: now)
        now = now + .seconds(3_600)
        let waits = (0..<6).map { _ in
            now = now + .seconds(10)
            backoff.dials(at: now)
            return backoff.next().wholeMilliseconds
        }
        #expect(waits == [100, 200, 400, 800, 1_000, 1_000])
    }

    @Test("is the first again after a connection that lasted")
    func lasted() {
        let start = Instant.zero + .seconds(1)
        var backoff = grown(at: start)
        backoff.connected(at: start)
        #expect(backoff.next() == Limits.reconnectLast)
        backoff.dials(at: start + Limits.reconnectLasting)
        #expect(backoff.next() == Limits.reconnectFirst)
    }

    @Test("stays the last after a connection that ended at once")
    func brief() {
        let start = Instant.zero + .seconds(1)
        var backoff = grown(at: start)
        backoff.connected(at: start)
        backoff.dials(at: start + .milliseconds(200))
        #expect(backoff.next() == Limits.reconnectLast)
    }
}
