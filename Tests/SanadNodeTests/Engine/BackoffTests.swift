import SanadCore
import Testing

@testable import SanadNode

@Suite("The wait before the link is dialled again")
struct BackoffTests {
    /// A backoff that has reached its last wait.
    private var grown: Backoff {
        var backoff = Backoff()
        for _ in 0..<10 { _ = backoff.afterFailure() }
        return backoff
    }

    @Test("grows while nobody answers, and ends at the last wait")
    func grows() {
        var backoff = Backoff()
        let waits = (0..<6).map { _ in backoff.afterFailure().wholeMilliseconds }
        #expect(waits == [100, 200, 400, 800, 1_000, 1_000])
    }

    @Test("is none after a link that stood, and the first again after that")
    func lasted() {
        var backoff = grown
        #expect(backoff.afterLink(standing: Limits.linkStandsAfter + .milliseconds(1)) == .zero)
        #expect(backoff.afterFailure() == Limits.reconnectFirst)
    }

    @Test("stays the last after a link that ended at once: it was refused, and would be again")
    func brief() {
        var backoff = grown
        #expect(backoff.afterLink(standing: .milliseconds(200)) == Limits.reconnectLast)
        #expect(backoff.afterLink(standing: Limits.linkStandsAfter) == Limits.reconnectLast)
    }
}
