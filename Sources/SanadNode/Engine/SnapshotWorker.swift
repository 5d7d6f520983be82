import SanadCore
import SanadStore
import Synchronization

/// Reads the record table for a peer, on a thread of its own: the commit thread never waits for
/// pages of a table of any size.
///
/// At most one page and one list of names are asked for at a time; the replica's rules see to that.
final class SnapshotWorker: Sendable {
    private enum Job: Sendable {
        case page(after: [UInt8]?)
        case rows([RecordName])
        /// Tell where the log continues the table, once the table has flushed what it holds.
        case open
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

    func open() { add(.open) }
    func readPage(after name: [UInt8]?) { add(.page(after: name)) }
    func readRows(_ names: [RecordName]) { add(.rows(names)) }

    /// Bytes of the table, about, for a progress report.
    func estimatedBytes() -> UInt64? { (try? reader.estimate())?.bytes }

    private func add(_ job: Job) {
        state.withLock { $0.jobs.append(job) }
        wake.raise()
    }

    private func run() {
        while true {
            let next: Job? = state.withLock { $0.jobs.isEmpty ? nil : $0.jobs.removeFirst() }
            if state.withLock({ $0.isStopping }) { return }
            guard let next else {
                wake.wait(nanoseconds: nil)
                continue
            }
            do throws(StoreError) {
                mailbox.post(try perform(next))
            } catch {
                mailbox.post(.snapshotFailed(error))
            }
        }
    }

    private func perform(_ job: Job) throws(StoreError) -> EngineEvent {
        switch job {
        case .page(let name):
            let page = try reader.page(after: name, maximumBytes: Limits.seedPageBytes)
            return .input(
                .pageRead(
                    page.bytes, after: name, last: page.lastName, readAt: page.position.sequence,
                    isLast: page.isLast))
        case .rows(let names):
            flush()
            let page = try reader.rows(names: names)
            return .input(.recordsRead(page.bytes, readAt: page.position.sequence))
        case .open:
            flush()
            return .snapshotBase(table.flushedPosition)
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
