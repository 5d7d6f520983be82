import SanadTestSupport
import Testing

@testable import sanad_bench

extension Sites {
    /// Writers on connections of their own, who go from one site to the other until they are
    /// answered. They reach both sites whatever is cut between these.
    func load(writers: Int = 4) async throws -> FailoverLoad {
        let load = try FailoverLoad(
            endpoints: [Endpoint(port: rabat.records), Endpoint(port: marrakech.records)],
            writers: 0..<writers, pauseMilliseconds: 5)
        try await load.untilAnswered(writers * 5)
        return load
    }

    /// Ends the writers and checks what they were promised: nothing acknowledged is missing at the
    /// primary, and no older reign acknowledged a write after a newer one had.
    func check(_ load: FailoverLoad) throws {
        let history = load.finish()
        let leader = try #require(try leader, "nobody takes writes")
        let verdict = try FailoverVerdict(
            history, resumed: nil, at: Endpoint(port: leader.records))
        #expect(verdict.acknowledged > 0)
        #expect(verdict.lost == 0, "\(verdict.examples)")
        #expect(verdict.overlaps == 0, "\(verdict.examples)")
    }
}

extension FailoverLoad {
    /// Waits for this many more acknowledgements.
    func untilAnswered(_ more: Int = 20) async throws {
        let start = count
        try await until("\(more) more writes are acknowledged") {
            self.count >= start + more
        }
    }

    /// Waits for an acknowledgement of a write that was sent from now on.
    func untilGoingOn() async throws {
        let now = monotonicNanoseconds()
        try await until("writes go on") { self.isAnswered(sentAfter: now) }
    }

    /// Waits for so many refusals and silences that every writer has asked both sites more than
    /// once, and expects that nobody was acknowledged meanwhile.
    func expectNobodyAcknowledged(refusals more: UInt64 = 40) async throws {
        let now = monotonicNanoseconds()
        let start = soFar.refusals
        try await until("\(more) more writes are refused") {
            self.soFar.refusals >= start + more
        }
        #expect(!isAnswered(sentAfter: now))
    }

    private func isAnswered(sentAfter instant: UInt64) -> Bool {
        soFar.acknowledged.contains { $0.sent >= instant }
    }
}
