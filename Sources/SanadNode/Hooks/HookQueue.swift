import Glibc
import SanadCore
import Synchronization

/// A bounded queue of work for one thread, which starts with the first piece.
///
/// When it is full, the oldest waiting piece goes: the newest says how things are now.
final class HookQueue<Item: Sendable>: Sendable {
    private struct State {
        var waiting: [Item] = []
        var thread: OwnThread?
        var stopAt: Instant?
    }

    /// What a running piece can ask of its queue.
    struct Turn: Sendable {
        fileprivate let queue: HookQueue

        /// A newer piece waits.
        var isOutdated: Bool { queue.state.withLock { !$0.waiting.isEmpty } }

        /// The queue is stopping, and its patience is over.
        var isCancelled: Bool {
            queue.state.withLock { state in
                state.stopAt.map { SystemClock.instant >= $0 } ?? false
            }
        }
    }

    private let state = Mutex(State())
    private let wake = WakeEvent()
    private let capacity: Int
    private let work: @Sendable (Item, Turn) -> Void

    init(capacity: Int, _ work: @escaping @Sendable (Item, Turn) -> Void) {
        self.capacity = capacity
        self.work = work
    }

    /// Puts a piece in. Never blocks.
    ///
    /// - Returns: the piece that had to go for it.
    func add(_ item: Item) -> Item? {
        let dropped: Item? = state.withLock { state in
            guard state.stopAt == nil else { return item }
            if state.thread == nil { state.thread = OwnThread { [self] in run() } }
            state.waiting.append(item)
            return state.waiting.count > capacity ? state.waiting.removeFirst() : nil
        }
        wake.signal()
        return dropped
    }

    /// Takes nothing more, drops what waits, and gives the running piece this long to end.
    func stop(patience: Span) {
        let thread: OwnThread? = state.withLock { state in
            state.waiting = []
            state.stopAt = SystemClock.instant + patience
            defer { state.thread = nil }
            return state.thread
        }
        wake.signal()
        thread?.join()
    }

    private func run() {
        while true {
            let next: (item: Item?, isStopping: Bool) = state.withLock { state in
                let item = state.waiting.isEmpty ? nil : state.waiting.removeFirst()
                return (item, state.stopAt != nil)
            }
            if let item = next.item {
                work(item, Turn(queue: self))
            } else if next.isStopping {
                return
            } else {
                waitForWork()
            }
        }
    }

    private func waitForWork() {
        wake.prepareToWait()
        defer { wake.finishWaiting() }
        guard state.withLock({ $0.waiting.isEmpty && $0.stopAt == nil }) else { return }
        var entry = pollfd(fd: wake.descriptor, events: Int16(POLLIN), revents: 0)
        _ = poll(&entry, 1, -1)
    }
}
