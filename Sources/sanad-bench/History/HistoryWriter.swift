import Glibc
import Synchronization

/// Set by SIGTERM and SIGINT: the writer ends in order and tells what it has.
let stopRequested = Atomic<Bool>(false)

/// Writes numbered values one after the other, through a failover, and notes each acknowledgement.
///
/// A write whose outcome is unknown (a lost connection, a time-out) is sent again, to the other
/// node if need be, until it is acknowledged. So the record of a key may only ever hold the last
/// acknowledged number, or the one that was under way at the end.
struct HistoryWriter {
    struct Summary {
        var acknowledged: UInt64 = 0
        var attempts: UInt64 = 0
        var refusals: UInt64 = 0
        var lostConnections: UInt64 = 0
        /// The longest time between one acknowledgement and the next, in nanoseconds.
        var longestGap: UInt64 = 0
        var longestGapEpochs = (from: UInt64(0), to: UInt64(0))
        /// Monotonic time of the acknowledgement that ended the longest gap.
        var longestGapEnd: UInt64 = 0
        var lastEpoch: UInt64 = 0
    }

    var endpoints: [Endpoint]
    var collection: String
    var keyCount: UInt64
    var path: String
    /// The writer ends by itself after this many seconds; nil means at SIGTERM.
    var seconds: Double?

    /// A standby that is asked too early is asked again after this.
    private static let retryMilliseconds: UInt32 = 10
    /// A server that does not answer for this long is given up. It is longer than any commit and
    /// shorter than a lease, so that a node that is stopped is told from one that is slow.
    private static let timeoutSeconds = 2.0

    func run() throws -> Summary {
        signal(SIGTERM) { _ in stopRequested.store(true, ordering: .relaxed) }
        signal(SIGINT) { _ in stopRequested.store(true, ordering: .relaxed) }
        guard let file = fopen(path, "w") else { throw Failure("\(path): \(lastError())") }
        defer { fclose(file) }
        var summary = Summary()
        var target = Target(endpoints: endpoints)
        var lastAcknowledgement: UInt64?
        let end = seconds.map { Deadline(seconds: $0) }
        var number: UInt64 = 1
        while !stopRequested.load(ordering: .relaxed), end?.hasPassed != true {
            summary.attempts += 1
            guard let answer = put(number, &target, &summary) else { continue }
            let now = monotonicNanoseconds()
            if let last = lastAcknowledgement, now - last > summary.longestGap {
                summary.longestGap = now - last
                summary.longestGapEpochs = (from: summary.lastEpoch, to: answer.epoch)
                summary.longestGapEnd = now
            }
            lastAcknowledgement = now
            summary.acknowledged += 1
            summary.lastEpoch = answer.epoch
            fputs(
                "\(number) \(answer.epoch) \(answer.sequence) \(answer.durability) \(now)\n", file)
            number += 1
        }
        // The one that may be under way: a check must expect it, and nothing beyond it.
        fputs("# attempted \(number) keys \(keyCount) collection \(collection)\n", file)
        return summary
    }

    static func key(_ number: UInt64, keyCount: UInt64) -> String { "w\(number % keyCount)" }

    private func put(
        _ number: UInt64, _ target: inout Target, _ summary: inout Summary
    ) -> Acknowledgement? {
        let key = Self.key(number, keyCount: keyCount)
        do {
            let connection = try target.connection(timeoutSeconds: Self.timeoutSeconds)
            let answer = try connection.request(
                "PUT", "/v1/collections/\(collection)/records/\(key)",
                body: Array(#"{"n":\#(number),"writer":"history"}"#.utf8))
            if answer.isSuccess { return try Acknowledgement(answer) }
            summary.refusals += 1
            target.follow(hint: answer)
        } catch {
            summary.lostConnections += 1
            target.next()
        }
        pause(milliseconds: Self.retryMilliseconds)
        return nil
    }
}

/// The answer to an acknowledged put, found by its member names: they are numbers and plain words.
private struct Acknowledgement {
    var epoch: UInt64
    var sequence: UInt64
    var durability: String

    init(_ answer: HTTPConnection.Response) throws {
        let text = answer.text
        guard let epoch = Self.member("epoch", of: text).flatMap({ UInt64($0) }),
            let sequence = Self.member("sequence", of: text).flatMap({ UInt64($0) }),
            let durability = Self.member("durability", of: text)
        else { throw Failure("a put's answer without a position: \(text)") }
        self.epoch = epoch
        self.sequence = sequence
        self.durability = String(durability)
    }

    private static func member(_ name: String, of text: String) -> Substring? {
        let marks: Set<Character> = ["\"", " ", ":"]
        let quoted = "\"\(name)\""
        var rest = Substring(text)
        while let quote = rest.firstIndex(of: "\"") {
            rest = rest[quote...]
            if rest.hasPrefix(quoted) {
                rest = rest.dropFirst(quoted.count).drop { marks.contains($0) }
                return rest.prefix { !["\"", ",", "}", " "].contains($0) }
            }
            rest = rest.dropFirst()
        }
        return nil
    }
}

/// Which node is written to now.
private struct Target {
    private var endpoints: [Endpoint]
    private var current = 0
    private var open: HTTPConnection?

    init(endpoints: [Endpoint]) { self.endpoints = endpoints }

    mutating func connection(timeoutSeconds: Double) throws -> HTTPConnection {
        if let open { return open }
        let connection = try HTTPConnection(
            to: endpoints[current], timeoutSeconds: timeoutSeconds)
        open = connection
        return connection
    }

    mutating func next() {
        open = nil
        current = (current + 1) % endpoints.count
    }

    /// Goes where the refusal points to, if that is the other one of the given nodes; else to the
    /// next one, since a node that refuses and names itself has only not noticed yet.
    mutating func follow(hint answer: HTTPConnection.Response) {
        let hint = JSONValue.parse(answer.body).flatMap { $0["primary_url"].text }
        if let hint, let named = Endpoint(hint), let index = endpoints.firstIndex(of: named),
            index != current
        {
            open = nil
            current = index
        } else {
            next()
        }
    }
}
