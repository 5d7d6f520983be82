import Glibc
import Synchronization

/// Wakes a thread that waits in `poll`: a pipe that is written only when somebody waits, so that a
/// busy engine costs its clients no system call.
final class WakeEvent: Sendable {
    /// The end to poll for input.
    let descriptor: Int32
    private let writeEnd: Int32
    private let isWaiting = Atomic(false)

    init() {
        var ends: [Int32] = [-1, -1]
        let status = pipe(&ends)
        precondition(status == 0, "pipe(2) failed with \(errno)")
        for end in ends {
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
        }
        descriptor = ends[0]
        writeEnd = ends[1]
    }

    deinit {
        close(descriptor)
        close(writeEnd)
    }

    /// Any thread: there is something to do.
    func signal() {
        guard isWaiting.exchange(false, ordering: .sequentiallyConsistent) else { return }
        var byte: UInt8 = 1
        // A full pipe is as good as a written one.
        _ = write(writeEnd, &byte, 1)
    }

    /// The waiting thread, before it looks at its mailbox for the last time.
    func prepareToWait() { isWaiting.store(true, ordering: .sequentiallyConsistent) }

    /// The waiting thread, after its wait or when it found something to do.
    func finishWaiting() {
        // Whoever took the flag down has written, or is about to; a byte that comes later only
        // makes the next wait short.
        let wasSignalled = !isWaiting.exchange(false, ordering: .sequentiallyConsistent)
        guard wasSignalled else { return }
        var bytes: UInt64 = 0
        while read(descriptor, &bytes, 8) == 8 {}
    }
}
