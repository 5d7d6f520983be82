import SanadCore
import SanadStore
import Synchronization

/// The jobs of a thread that works on snapshots, in their order. The replica's rules bound how many
/// wait.
final class WorkQueue<Job: Sendable>: Sendable {
    private struct State {
        var jobs: [Job] = []
        var isStopping = false
    }

    private let state = Mutex(State())
    private let wake = ThreadSignal()
    private let thread = Mutex<OwnThread?>(nil)

    /// - Parameter body: takes jobs until `isStopping`.
    func start(niceness: Int32, _ body: @escaping @Sendable () -> Void) {
        thread.withLock { $0 = OwnThread(niceness: niceness, body) }
    }

    /// Waits for the job under way; those that wait are dropped.
    func stop() {
        state.withLock { $0.isStopping = true }
        wake.raise()
        thread.withLock { $0.take() }?.join()
    }

    func add(_ job: Job) {
        state.withLock { $0.jobs.append(job) }
        wake.raise()
    }

    var isStopping: Bool { state.withLock { $0.isStopping } }

    /// The next job; nil without one, and from `stop` on.
    func take() -> Job? {
        state.withLock { $0.jobs.isEmpty || $0.isStopping ? nil : $0.jobs.removeFirst() }
    }

    /// - Returns: false when nothing came within the time.
    @discardableResult
    func wait(nanoseconds: UInt64?) -> Bool { wake.wait(nanoseconds: nanoseconds) }
}
