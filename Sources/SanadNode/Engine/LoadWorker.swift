import SanadCore
import SanadStore

/// What became of a page of a snapshot.
enum LoadAnswer: Sendable {
    /// It is in the table, which holds all names up to the cursor.
    case loaded(LoadProgress)
    /// The page does not follow what was loaded before it.
    case unusable(reason: String)
    case failure(StoreError)
}

/// Writes the pages of a snapshot into the record table, on a thread of its own: while the disk is
/// busy with one, the engine takes the next one from the link.
///
/// Pages are loaded in the order in which they come, and each is answered. After one that could not
/// be loaded none is: the node starts anew behind what was. The replica's rules bound how many wait,
/// and see to it that a load begins before the first page and ends after the answer to the last.
final class LoadWorker: Sendable {
    private struct Job {
        var page: RecordPage
        /// The primary's reign in which it was read.
        var epoch: Epoch
    }

    private let queue = WorkQueue<Job>()
    private let table: RecordTable
    private let mailbox: Mailbox

    init(table: RecordTable, mailbox: Mailbox) {
        self.table = table
        self.mailbox = mailbox
    }

    func start() { queue.start(niceness: Limits.loadNiceness) { [self] in run() } }

    /// Finishes the page under way, and makes durable what was loaded. Pages that wait are dropped:
    /// whoever goes on asks for them again.
    func stop() { queue.stop() }

    func load(_ page: RecordPage, readIn epoch: Epoch) { queue.add(Job(page: page, epoch: epoch)) }

    /// Pages that a crash could still take back.
    private struct Loaded {
        var since: Instant
        var progress: LoadProgress
    }

    private func run() {
        var loaded: Loaded?
        while true {
            if let next = queue.take() {
                let answer = load(next)
                mailbox.post(.pageLoaded(answer))
                guard case .loaded(let progress) = answer else {
                    // What came before it stays, if the disk lets it.
                    _ = commit()
                    return
                }
                let now = SystemClock.instant
                let since = loaded?.since ?? now
                loaded = Loaded(since: since, progress: progress)
                guard now.since(since) >= Limits.loadDurableSpan else { continue }
                guard makeDurable(&loaded) else { return }
                continue
            }
            let isStopping = queue.isStopping
            if loaded != nil {
                let span = Limits.loadDurableSpan.nanoseconds
                guard isStopping || !queue.wait(nanoseconds: span) else { continue }
                guard makeDurable(&loaded) else { return }
            }
            if isStopping { return }
            if loaded == nil { queue.wait(nanoseconds: nil) }
        }
    }

    /// - Returns: false when the disk refuses. While somebody reads the file it is tried again.
    private func makeDurable(_ loaded: inout Loaded?) -> Bool {
        guard let open = loaded else { return true }
        if let error = commit() {
            if error.code == .busy { return true }
            mailbox.post(.pageLoaded(.failure(error)))
            return false
        }
        mailbox.post(.loadDurable(open.progress))
        loaded = nil
        return true
    }

    private func load(_ next: Job) -> LoadAnswer {
        do throws(StoreError) {
            return .loaded(try table.load(next.page, readIn: next.epoch))
        } catch  where error.code == .conflict || error.code == .staleRows {
            return .unusable(
                reason: "a page of the snapshot does not follow what was loaded: \(error)")
        } catch {
            return .failure(error)
        }
    }

    private func commit() -> StoreError? {
        do throws(StoreError) {
            try table.commitLoad()
            return nil
        } catch {
            return error
        }
    }
}
