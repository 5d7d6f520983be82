import Glibc
import Logging
import SanadCore
import SanadLink
import Synchronization

/// Asks a witness, over a connection of the link's kind that it dials and keeps.
final class WitnessClient: ArbiterClient {
    private struct Inbox {
        var queue: ArbiterQueue
        var isStopping = false
    }

    fileprivate struct Target {
        var host: String
        var port: UInt16
        var witness: NodeName
        var silence: Span
    }

    private let inbox: Mutex<Inbox>
    private let wake = WakeEvent()
    private let thread = Mutex<OwnThread?>(nil)

    /// - Parameters:
    ///   - host: where the witness's link is.
    ///   - witness: the name that its certificate must carry.
    ///   - patience: how long a question may take.
    ///   - silence: how long a late answer is waited for before the witness is dialled anew.
    ///   - deliver: is called on the client's thread, and must not block.
    init(
        host: String, port: UInt16, witness: NodeName, tls: TLSContext,
        patience: Span = Limits.arbiterPatience, silence: Span = Limits.arbiterSilenceMaximum,
        log: Logger, deliver: @escaping ArbiterDelivery
    ) {
        inbox = Mutex(Inbox(queue: ArbiterQueue(patience: patience)))
        let target = Target(host: host, port: port, witness: witness, silence: silence)
        thread.withLock { thread in
            thread = OwnThread {
                WitnessConversation(self, target, tls: tls, log: log, deliver: deliver).run()
            }
        }
    }

    func ask(_ request: ArbiterRequest) {
        let now = SystemClock.instant
        inbox.withLock { $0.queue.add(request, now: now) }
        wake.signal()
    }

    /// The `TLSContext` is its owner's to reload; the next connection uses what it holds.
    func reload() {}

    func stop() {
        inbox.withLock { $0.isStopping = true }
        wake.signal()
        let running = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        running?.join()
    }

    // MARK: For the conversation's thread

    fileprivate var isStopping: Bool { inbox.withLock { $0.isStopping } }

    fileprivate func withQueue<Value: Sendable>(_ body: (inout ArbiterQueue) -> Value) -> Value {
        inbox.withLock { body(&$0.queue) }
    }

    /// Waits until `deadline`, an event on `descriptor`, a stop, or something that `isDue`.
    fileprivate func wait(
        until deadline: Instant, descriptor: Int32 = -1, events: Int16 = 0, unless isDue: () -> Bool
    ) {
        wake.prepareToWait()
        defer { wake.finishWaiting() }
        guard !isStopping, !isDue() else { return }
        var entries = [
            pollfd(fd: wake.descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: descriptor, events: events, revents: 0),
        ]
        let rest = deadline.since(SystemClock.instant)
        // Rounded up, so that the round after it finds the deadline passed.
        let milliseconds = Int32(clamping: (rest.nanoseconds + 999_999) / 1_000_000)
        _ = poll(&entries, 2, deadline == .never ? -1 : milliseconds)
    }
}

/// What the client's thread does: dial, ask, listen.
///
/// At most one question of each kind is on its way and in time. The witness answers in the order
/// of asking, so the first open question is the one that an answer belongs to.
private final class WitnessConversation {
    private struct Open {
        var question: PendingQuestion
        /// It was reported as failed: its answer is thrown away.
        var isLate = false
    }

    private let client: WitnessClient
    private let target: WitnessClient.Target
    private let tls: TLSContext
    private let log: Logger
    private let deliver: ArbiterDelivery
    private var open: [Open] = []
    private var problem = "the witness was not reached yet"
    private var backoff = Backoff()

    init(
        _ client: WitnessClient, _ target: WitnessClient.Target, tls: TLSContext, log: Logger,
        deliver: @escaping ArbiterDelivery
    ) {
        self.client = client
        self.target = target
        self.tls = tls
        self.log = log
        self.deliver = deliver
    }

    func run() {
        while !client.isStopping {
            do throws(LinkError) {
                let connection = try LinkConnection.connect(
                    host: target.host, port: target.port, context: tls, peer: target.witness,
                    timeout: Limits.arbiterConnectTimeout)
                let began = SystemClock.instant
                log.notice("the witness is connected", ["witness": "\(target.witness)"])
                let ending = converse(over: connection)
                connection.close()
                if client.isStopping { return }
                ended(ending)
                pause(backoff.afterLink(standing: SystemClock.instant.since(began)))
            } catch {
                ended(String(describing: error))
                pause(backoff.afterFailure())
            }
        }
    }

    /// The connection, or the attempt at one, is over: what was asked has no known outcome.
    private func ended(_ reason: String) {
        // Said once, not at every attempt.
        if problem != reason { log.warning("no witness", ["reason": "\(reason)"]) }
        problem = reason
        for one in open where !one.isLate { fail(one.question, reason) }
        open = []
        expireWaiting()
    }

    private func fail(_ question: PendingQuestion, _ reason: String) {
        deliver(.failure(ArbiterFailure(sent: question.request.sent, reason: reason)))
    }

    private func expireWaiting() {
        let now = SystemClock.instant
        for late in client.withQueue({ $0.expired(at: now) }) {
            fail(late, "no answer in time: \(problem)")
        }
    }

    /// Waits before the next attempt, and lets questions fail meanwhile. The jitter keeps two nodes
    /// that lost the witness at one moment from coming back at one moment.
    private func pause(_ wait: Span) {
        let jitter = Span(nanoseconds: .random(in: 0...wait.nanoseconds / 2))
        let end = SystemClock.instant + wait + jitter
        while !client.isStopping, SystemClock.instant < end {
            let due = client.withQueue { $0.waiting.map(\.deadline).min() ?? .never }
            client.wait(until: min(end, due)) { false }
            expireWaiting()
        }
    }

    // MARK: One connection

    /// - Returns: why it ended.
    private func converse(over connection: LinkConnection) -> String {
        problem = "the witness does not answer"
        while !client.isStopping {
            do throws(LinkError) {
                while try receive(from: connection) {}
                sendWaiting(over: connection)
                _ = try connection.flush()
            } catch {
                return String(describing: error)
            }
            if let oldest = open.first?.question.deadline,
                SystemClock.instant >= oldest + target.silence
            {
                return "no answer for \(target.silence.wholeMilliseconds) ms"
            }
            expireOpen()
            expireWaiting()
            client.wait(
                until: nextDeadline, descriptor: connection.descriptor,
                events: Int16(connection.hasQueued ? POLLIN | POLLOUT : POLLIN)
            ) { hasSendable }
        }
        return "the node stops"
    }

    private func isFree(_ request: ArbiterRequest) -> Bool {
        !open.contains {
            !$0.isLate && $0.question.request.kindNumber == request.kindNumber
        }
    }

    private var hasSendable: Bool {
        client.withQueue { queue in queue.waiting.contains { isFree($0.request) } }
    }

    private func sendWaiting(over connection: LinkConnection) {
        while let question = client.withQueue({ $0.next(where: isFree) }) {
            connection.enqueue(control: Message.arbiterRequest(question.request).encoded())
            open.append(Open(question: question))
        }
    }

    private func receive(from connection: LinkConnection) throws(LinkError) -> Bool {
        try connection.receive { packet in
            guard case .control(let bytes) = packet,
                case .arbiterAnswer(let answer) = try Message(decoding: bytes)
            else { throw ConversationProblem.notAnAnswer }
            guard let first = open.first, first.question.request.sent == answer.echo else {
                throw ConversationProblem.notAsked
            }
            open.removeFirst()
            guard !first.isLate else { return }
            backoff = Backoff()
            // In time is what came in time, however late this thread looks at it; the lease counts
            // from the sending, so that nothing is granted by a late look.
            deliver(.success(answer))
        }
    }

    private func expireOpen() {
        let now = SystemClock.instant
        for index in open.indices
        where !open[index].isLate && open[index].question.deadline <= now {
            open[index].isLate = true
            fail(open[index].question, "no answer in time: \(problem)")
        }
    }

    private var nextDeadline: Instant {
        let silence = open.first.map { $0.question.deadline + target.silence }
        let due = open.filter { !$0.isLate }.map(\.question.deadline).min()
        let waiting = client.withQueue { $0.waiting.map(\.deadline).min() }
        return min(silence ?? .never, due ?? .never, waiting ?? .never)
    }
}

/// What a sound witness does not do.
private enum ConversationProblem: Error, CustomStringConvertible {
    case notAnAnswer
    case notAsked

    var description: String {
        switch self {
        case .notAnAnswer: "it sent something else than an answer"
        case .notAsked: "it answered what was not asked"
        }
    }
}
