import SanadCore
import SanadStore

/// What the snapshot worker has found.
enum SnapshotAnswer: Sendable {
    case page(RecordPage)
    case rows(RecordPage)
    /// A snapshot of the record table can begin at this boundary of the log.
    case base(Position)
    case failure(StoreError)
}

/// Reads the record table for a peer, on a thread of its own: the commit thread never waits for
/// pages of a table of any size.
///
/// At most one page and one list of names are asked for at a time; the replica's rules see to that.
/// Each answer bears the session for which it was asked: the link may have ended meanwhile.
///
/// The page after one that was asked for is read before it is asked for: the engine asks only when
/// its own disk lets it, and that would be time in which nobody reads.
final class SnapshotWorker: Sendable {
    private enum Work: Sendable {
        case page(after: [UInt8]?)
        case rows([RecordName])
        /// Tell where the log continues the table, once the table has flushed what it holds.
        case open
    }

    private struct Job: Sendable {
        var session: UInt64
        var work: Work
    }

    /// A page that nobody has asked for yet.
    private struct Ahead {
        var session: UInt64
        var after: [UInt8]
        var answer: SnapshotAnswer?
    }

    private let queue = WorkQueue<Job>()
    private let table: RecordTable
    private let reader: SnapshotReader
    private let mailbox: Mailbox

    init(table: RecordTable, mailbox: Mailbox) throws(StoreError) {
        self.table = table
        self.mailbox = mailbox
        reader = try table.makeSnapshotReader()
    }

    func start() { queue.start(niceness: Limits.tableNiceness) { [self] in run() } }

    func stop() { queue.stop() }

    func open(session: UInt64) { queue.add(Job(session: session, work: .open)) }

    func readPage(after name: [UInt8]?, session: UInt64) {
        queue.add(Job(session: session, work: .page(after: name)))
    }

    func readRows(_ names: [RecordName], session: UInt64) {
        queue.add(Job(session: session, work: .rows(names)))
    }

    private func run() {
        var ahead: Ahead?
        while !queue.isStopping {
            if let next = queue.take() {
                let answer = take(&ahead, for: next) ?? perform(next.work)
                ahead = follower(of: answer, session: next.session)
                mailbox.post(.snapshotRead(answer, session: next.session))
            } else if let wanted = ahead, wanted.answer == nil {
                ahead?.answer = perform(.page(after: wanted.after))
            } else {
                queue.wait(nanoseconds: nil)
            }
        }
    }

    /// What was read ahead, if it is what is asked for.
    private func take(_ ahead: inout Ahead?, for job: Job) -> SnapshotAnswer? {
        defer { ahead = nil }
        guard let ahead, ahead.session == job.session, case .page(let after) = job.work,
            after == ahead.after
        else { return nil }
        return ahead.answer
    }

    private func follower(of answer: SnapshotAnswer, session: UInt64) -> Ahead? {
        guard case .page(let page) = answer, !page.isLast, let last = page.lastName else {
            return nil
        }
        return Ahead(session: session, after: last)
    }

    private func perform(_ work: Work) -> SnapshotAnswer {
        do throws(StoreError) {
            switch work {
            case .page(let name):
                return .page(try reader.page(after: name, maximumBytes: Limits.seedPageBytes))
            case .rows(let names):
                flush()
                return .rows(try reader.rows(names: names))
            case .open:
                flush()
                return .base(table.flushedPosition)
            }
        } catch {
            return .failure(error)
        }
    }

    /// Rows are read from the file: what memory holds goes there first, within a bounded time.
    private func flush() {
        let wanted = table.applied
        let deadline = SystemClock.instant + Limits.snapshotFlushTimeout
        table.requestFlush()
        while table.flushedPosition.sequence < wanted, SystemClock.instant < deadline {
            queue.wait(nanoseconds: 2_000_000)
        }
    }
}
