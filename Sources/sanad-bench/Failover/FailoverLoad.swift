import Glibc
import Synchronization

/// An acknowledged write, as its client saw it.
struct AcknowledgedWrite: Sendable {
    var writer: Int
    var number: UInt64
    var epoch: UInt64
    var bothSites: Bool
    /// When the request was sent and when its answer came, on the monotonic clock.
    var sent: UInt64
    var answered: UInt64
}

/// Writers on connections of their own, each with keys of its own, through any number of failovers.
///
/// A write whose outcome is unknown is sent again until it is acknowledged, so a key holds its last
/// acknowledged number or the one under way.
final class FailoverLoad: Sendable {
    private struct State {
        var acknowledged: [AcknowledgedWrite] = []
        var underWay: [UInt64]
        var running: Int
        var refusals: UInt64 = 0
    }

    static let keysPerWriter: UInt64 = 200

    private let endpoints: [Endpoint]
    private let isStopping = Atomic(false)
    private let state: Mutex<State>
    /// A node that is silent for this long is given up: shorter than any failover.
    private static let timeoutSeconds = 0.5
    /// Between two writes of a writer.
    private let pauseMilliseconds: UInt32

    init(endpoints: [Endpoint], writers: Int, pauseMilliseconds: UInt32 = 0) throws {
        self.endpoints = endpoints
        self.pauseMilliseconds = pauseMilliseconds
        state = Mutex(
            State(underWay: Array(repeating: 0, count: writers), running: writers))
        for writer in 0..<writers { try startThread { [self] in run(writer) } }
    }

    /// Ends the writers, waits for them, and tells what they saw.
    func finish() -> (acknowledged: [AcknowledgedWrite], underWay: [UInt64], refusals: UInt64) {
        isStopping.store(true, ordering: .relaxed)
        while state.withLock({ $0.running > 0 }) { pause(milliseconds: 5) }
        return state.withLock { ($0.acknowledged, $0.underWay, $0.refusals) }
    }

    var count: Int { state.withLock { $0.acknowledged.count } }

    /// Writes that were refused, or not answered in time.
    var refusals: UInt64 { state.withLock { $0.refusals } }

    /// When the first write was answered that was sent after `instant`; nil so far.
    func firstAcknowledgement(sentAfter instant: UInt64) -> UInt64? {
        state.withLock { state in
            state.acknowledged.lazy.filter { $0.sent >= instant }.map(\.answered).min()
        }
    }

    /// The longest time in which nobody got an acknowledgement, from `instant` on.
    func longestGap(after instant: UInt64) -> UInt64 {
        let times = state.withLock { state in
            state.acknowledged.lazy.filter { $0.answered >= instant }.map(\.answered).sorted()
        }
        return zip([instant] + times, times).map { $1 - $0 }.max() ?? 0
    }

    private func run(_ writer: Int) {
        var connection: HTTPConnection?
        var place = 0
        var number: UInt64 = 1
        while !isStopping.load(ordering: .relaxed) {
            state.withLock { $0.underWay[writer] = number }
            let sent = monotonicNanoseconds()
            do {
                let present =
                    try connection
                    ?? HTTPConnection(
                        to: endpoints[place], timeoutSeconds: Self.timeoutSeconds)
                connection = present
                let path =
                    "/v1/collections/failover/records/w\(writer)-\(number % Self.keysPerWriter)"
                let answer = try present.request("PUT", path, body: Array("{\"n\":\(number)}".utf8))
                if answer.isSuccess {
                    note(answer.text, writer, number, sent)
                    number += 1
                    if pauseMilliseconds > 0 { pause(milliseconds: pauseMilliseconds) }
                    continue
                }
                state.withLock { $0.refusals += 1 }
            } catch {
                state.withLock { $0.refusals += 1 }
            }
            connection = nil
            place = (place + 1) % endpoints.count
            pause(milliseconds: 5)
        }
        state.withLock { $0.running -= 1 }
    }

    private func note(_ text: String, _ writer: Int, _ number: UInt64, _ sent: UInt64) {
        let epoch = text.split(separator: "\"epoch\":", maxSplits: 1).last
        let digits = epoch?.drop { $0 == " " }.prefix { $0.isNumber } ?? ""
        let write = AcknowledgedWrite(
            writer: writer, number: number, epoch: UInt64(digits) ?? 0,
            bothSites: text.contains("both-sites"), sent: sent, answered: monotonicNanoseconds())
        state.withLock { $0.acknowledged.append(write) }
    }
}

/// What a recorded history says about its promises.
struct FailoverVerdict {
    var acknowledged = 0
    var lost = 0
    /// Acknowledgements of an older epoch whose request was sent after one of a newer epoch came.
    var overlaps = 0
    var examples: [String] = []

    /// Reads everything back from a node.
    init(
        _ acknowledged: [AcknowledgedWrite], underWay: [UInt64], at endpoint: Endpoint
    ) throws {
        self.acknowledged = acknowledged.count
        findOverlaps(acknowledged)
        var last: [String: (write: AcknowledgedWrite, found: Bool)] = [:]
        for write in acknowledged {
            let key = "w\(write.writer)-\(write.number % FailoverLoad.keysPerWriter)"
            if let known = last[key], known.write.number > write.number { continue }
            last[key] = (write, false)
        }
        let connection = try HTTPConnection(to: endpoint, timeoutSeconds: 10)
        for (key, entry) in last {
            let answer = try connection.request("GET", "/v1/collections/failover/records/\(key)")
            let digits = answer.text.drop { !$0.isNumber }.prefix { $0.isNumber }
            let found = answer.isSuccess ? UInt64(digits) : nil
            if found == entry.write.number || found == underWay[entry.write.writer] { continue }
            lost += 1
            note(
                "\(key): acknowledged \(entry.write.number) in epoch \(entry.write.epoch), found "
                    + (found.map(String.init) ?? "nothing"))
        }
    }

    private mutating func findOverlaps(_ acknowledged: [AcknowledgedWrite]) {
        var newest: (epoch: UInt64, answered: UInt64)?
        var firstAnswer: [UInt64: UInt64] = [:]
        for write in acknowledged {
            firstAnswer[write.epoch] = min(firstAnswer[write.epoch] ?? .max, write.answered)
        }
        for epoch in firstAnswer.keys.sorted(by: >) {
            if let newest {
                for write in acknowledged
                where write.epoch == epoch && write.sent > newest.answered {
                    overlaps += 1
                    note(
                        "epoch \(epoch) acknowledged a write that was sent after epoch "
                            + "\(newest.epoch) had acknowledged one")
                }
            }
            let answered = min(newest?.answered ?? .max, firstAnswer[epoch] ?? .max)
            newest = (epoch, answered)
        }
    }

    private mutating func note(_ example: String) {
        if examples.count < 5 { examples.append(example) }
    }
}
