import Glibc

/// A thread that blocks as it likes: never one of the cooperative pool.
struct OwnThread: Sendable {
    /// A body that is handed to one thread once.
    ///
    /// `@unchecked Sendable`: `pthread_create` orders the writes before it against the new
    /// thread's reads, and only the new thread calls the body.
    private final class Body: @unchecked Sendable {
        let run: () -> Void
        init(_ run: @escaping () -> Void) { self.run = run }
    }

    private let thread: pthread_t

    /// Starts a thread; with a niceness of 5 it gets a third of what another one gets.
    init(niceness: Int32 = 0, _ run: sending @escaping () -> Void) {
        var thread = pthread_t()
        let body = Unmanaged.passRetained(
            Body {
                // On Linux the priority of 0 is the calling thread's (setpriority(2), "Bugs").
                if niceness != 0 {
                    _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, niceness)
                }
                run()
            })
        let status = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, body.toOpaque())
        precondition(status == 0, "pthread_create(3) failed with \(status)")
        self.thread = thread
    }

    func join() { pthread_join(thread, nil) }
}
