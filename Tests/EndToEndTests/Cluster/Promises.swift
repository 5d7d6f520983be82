import SanadTestSupport
import Testing

@testable import sanad_bench

extension Sites {
    /// Writers on connections of their own, who go from one site to the other until they are
    /// answered. They reach both sites whatever is cut between these.
    func load(writers: Int = 4) async throws -> FailoverLoad {
        let load = try FailoverLoad(
            endpoints: [Endpoint(port: rabat.records), Endpoint(port: marrakech.records)],
            writers: writers, pauseMilliseconds: 5)
        try await load.untilAnswered(writers * 5)
        return load
    }

    /// Ends the writers and checks what they were promised: nothing acknowledged is missing at the
    /// primary, and no older reign acknowledged a write after a newer one had.
    func check(_ load: FailoverLoad) throws {
        let (acknowledged, underWay, _) = load.finish()
        let leader = try #require(try leader, "nobody takes writes")
        let verdict = try FailoverVerdict(
            acknowledged, underWay: underWay, at: Endpoint(port: leader.records))
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
        try await until("writes go on") {
            self.firstAcknowledgement(sentAfter: now) != nil
        }
    }

    /// Waits for so many refusals and silences that every writer has asked both sites more than
    /// once, and expects that nobody was acknowledged meanwhile.
    func expectNobodyAcknowledged(refusals more: UInt64 = 40) async throws {
        let now = monotonicNanoseconds()
        let start = refusals
        try await until("\(more) more writes are refused") {
            self.refusals >= start + more
        }
        #expect(firstAcknowledgement(sentAfter: now) == nil)
    }
}
