import SanadCore
import SanadStore
import Synchronization

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

    private struct State {
        var jobs: [Job] = []
        var isStopping = false
    }

    private let state = Mutex(State())
    private let wake = ThreadSignal()
    private let table: RecordTable
    private let reader: SnapshotReader
    private let mailbox: Mailbox
    private let thread = Mutex<OwnThread?>(nil)

    init(table: RecordTable, mailbox: Mailbox) throws(StoreError) {
        self.table = table
        self.mailbox = mailbox
        reader = try table.makeSnapshotReader()
    }

    func start() { thread.withLock { $0 = OwnThread { [self] in run() } } }

    func stop() {
        state.withLock { $0.isStopping = true }
        wake.raise()
        thread.withLock { $0.take() }?.join()
    }

    func open(session: UInt64) { add(Job(session: session, work: .open)) }

    func readPage(after name: [UInt8]?, session: UInt64) {
        add(Job(session: session, work: .page(after: name)))
    }

    func readRows(_ names: [RecordName], session: UInt64) {
        add(Job(session: session, work: .rows(names)))
    }

    private func add(_ job: Job) {
        state.withLock { $0.jobs.append(job) }
        wake.raise()
    }

    private func run() {
        while true {
            let next = state.withLock { $0.jobs.isEmpty ? nil : $0.jobs.removeFirst() }
            if state.withLock({ $0.isStopping }) { return }
            guard let next else {
                wake.wait(nanoseconds: nil)
                continue
            }
            mailbox.post(.snapshotRead(perform(next.work), session: next.session))
        }
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
            wake.wait(nanoseconds: 2_000_000)
        }
    }
}
