import Glibc
import SanadCore

/// The host's clocks.
enum SystemClock {
    /// `CLOCK_BOOTTIME`: monotonic, and it counts the time that the host slept (clock_gettime(2)),
    /// so that a lease does not outlive a suspended machine.
    static var instant: Instant { Instant(nanoseconds: nanoseconds(CLOCK_BOOTTIME)) }

    static var now: Now {
        Now(instant: instant, wallMilliseconds: nanoseconds(CLOCK_REALTIME) / 1_000_000)
    }

    private static func nanoseconds(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        let status = clock_gettime(clock, &time)
        precondition(status == 0, "clock_gettime(2) failed with \(errno)")
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
