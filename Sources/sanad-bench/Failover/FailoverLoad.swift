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

    var key: String { Self.key(writer, number) }

    /// A writer goes around among so many keys, so that old values would be noticed.
    private static let keysPerWriter: UInt64 = 200

    static func key(_ writer: Int, _ number: UInt64) -> String {
        "w\(writer)-\(number % keysPerWriter)"
    }
}

/// What a load was promised, and what it asked for without an answer.
struct FailoverHistory: Sendable {
    var acknowledged: [AcknowledgedWrite] = []
    /// The number that each writer sent last.
    var underWay: [Int: UInt64] = [:]
    /// Writes that were refused, or not answered in time.
    var refusals: UInt64 = 0

    mutating func add(_ other: FailoverHistory) {
        acknowledged += other.acknowledged
        underWay.merge(other.underWay) { $1 }
        refusals += other.refusals
    }
}

/// Writers on connections of their own, each with keys of its own, through any number of failovers.
///
/// A write whose outcome is unknown is sent again until it is acknowledged, so a key holds its last
/// acknowledged number or the one under way.
final class FailoverLoad: Sendable {
    private struct State {
        var history = FailoverHistory()
        var running: Int
    }

    private let endpoints: [Endpoint]
    private let timeoutSeconds: Double
    private let isStopping = Atomic(false)
    private let state: Mutex<State>
    /// Between two writes of a writer.
    private let pauseMilliseconds: UInt32

    /// - Parameters:
    ///   - writers: their numbers, which no other load on the same cluster has.
    ///   - timeoutSeconds: a node that is silent for this long is given up: by default shorter than
    ///     any failover.
    init(
        endpoints: [Endpoint], writers: Range<Int>, timeoutSeconds: Double = 0.5,
        pauseMilliseconds: UInt32 = 0
    ) throws {
        self.endpoints = endpoints
        self.timeoutSeconds = timeoutSeconds
        self.pauseMilliseconds = pauseMilliseconds
        state = Mutex(State(running: writers.count))
        for writer in writers { try startThread { [self] in run(writer) } }
    }

    /// Ends the writers, waits for them, and tells what they saw.
    func finish() -> FailoverHistory {
        isStopping.store(true, ordering: .relaxed)
        while state.withLock({ $0.running > 0 }) { pause(milliseconds: 5) }
        return soFar
    }

    var soFar: FailoverHistory { state.withLock { $0.history } }

    var count: Int { state.withLock { $0.history.acknowledged.count } }

    /// When the first write was acknowledged that can only be of the time after a fault: by a reign
    /// after `epoch`, or on one site where both were counted on before. Nil so far.
    func firstAcknowledgement(beyond epoch: UInt64) -> UInt64? {
        state.withLock { state in
            state.history.acknowledged.lazy.filter { $0.epoch > epoch || !$0.bothSites }
                .map(\.answered).min()
        }
    }

    /// The longest time in which nobody got an acknowledgement, from `instant` until now.
    func longestGap(after instant: UInt64) -> UInt64 {
        let times = state.withLock { state in
            state.history.acknowledged.lazy.filter { $0.answered >= instant }.map(\.answered)
                .sorted()
        }
        let ends = times + [monotonicNanoseconds()]
        return zip([instant] + times, ends).map { $1 - min($0, $1) }.max() ?? 0
    }

    private func run(_ writer: Int) {
        var connection: HTTPConnection?
        var place = 0
        var number: UInt64 = 1
        while !isStopping.load(ordering: .relaxed) {
            state.withLock { $0.history.underWay[writer] = number }
            let sent = monotonicNanoseconds()
            do {
                let present =
                    try connection
                    ?? HTTPConnection(
                        to: endpoints[place], timeoutSeconds: timeoutSeconds)
                connection = present
                let key = AcknowledgedWrite.key(writer, number)
                let path = "/v1/collections/failover/records/\(key)"
                let answer = try present.request("PUT", path, body: Array("{\"n\":\(number)}".utf8))
                if answer.isSuccess {
                    note(answer.text, writer, number, sent)
                    number += 1
                    if pauseMilliseconds > 0 { pause(milliseconds: pauseMilliseconds) }
                    continue
                }
            } catch {
                // A lost connection, or no answer in time: the same write goes to the next node.
            }
            state.withLock { $0.history.refusals += 1 }
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
        state.withLock { $0.history.acknowledged.append(write) }
    }
}
