import Glibc

/// A flag that one thread waits for and any thread raises.
///
/// `@unchecked Sendable`: `raised` is touched only with `mutex` held, and the two POSIX objects
/// stay at one address from `init` to `deinit`.
public final class ThreadSignal: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var raised = false

    public init() {
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Wakes the waiting thread, now or when it next waits.
    public func raise() {
        pthread_mutex_lock(mutex)
        raised = true
        pthread_cond_signal(condition)
        pthread_mutex_unlock(mutex)
    }

    /// Waits until the flag is raised, at most `nanoseconds` when given, and lowers it.
    ///
    /// - Returns: whether it was raised.
    @discardableResult
    public func wait(nanoseconds: UInt64?) -> Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        if let nanoseconds {
            let end = Clock.monotonic() + nanoseconds
            var deadline = timespec(
                tv_sec: Int(end / 1_000_000_000), tv_nsec: Int(end % 1_000_000_000))
            while !raised, pthread_cond_timedwait(condition, mutex, &deadline) == 0 {}
        } else {
            while !raised { pthread_cond_wait(condition, mutex) }
        }
        defer { raised = false }
        return raised
    }
}

/// The monotonic clock, for waits and ages inside one process.
enum Clock {
    static func monotonic() -> UInt64 {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
    }
}

/// A thread of our own: what blocks on a disk must stay off the shared pool.
struct WorkerThread: Sendable {
    private let thread: pthread_t

    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// Starts a thread that yields to the others: `niceness` 10 is about a tenth of their share.
    init(niceness: Int32, _ run: @escaping @Sendable () -> Void) throws(StoreError) {
        let body = Unmanaged.passRetained(
            Body {
                // On Linux the priority belongs to the calling thread, not to the process.
                _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, niceness)
                run()
            })
        var created = pthread_t()
        let status = pthread_create(
            &created, nil,
            { context in
                if let context { Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run() }
                return nil
            }, body.toOpaque())
        guard status == 0 else {
            body.release()
            throw StoreError(
                .io, operation: "start a thread", path: "",
                message: String(cString: strerror(status)), systemCode: status)
        }
        thread = created
    }

    func join() { pthread_join(thread, nil) }
}

/// Many readers or one writer.
///
/// `@unchecked Sendable`: the lock stays at one address from `init` to `deinit`, and POSIX makes
/// its calls safe from any thread.
final class SharedLock: @unchecked Sendable {
    private let lock = UnsafeMutablePointer<pthread_rwlock_t>.allocate(capacity: 1)

    init() { pthread_rwlock_init(lock, nil) }

    deinit {
        pthread_rwlock_destroy(lock)
        lock.deallocate()
    }

    func shared<Result>(_ body: () throws(StoreError) -> Result) throws(StoreError) -> Result {
        pthread_rwlock_rdlock(lock)
        defer { pthread_rwlock_unlock(lock) }
        return try body()
    }

    func exclusive<Result>(_ body: () throws(StoreError) -> Result) throws(StoreError) -> Result {
        pthread_rwlock_wrlock(lock)
        defer { pthread_rwlock_unlock(lock) }
        return try body()
    }
}
