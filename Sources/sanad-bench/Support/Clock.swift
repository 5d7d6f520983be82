import Glibc

/// Nanoseconds of the host's monotonic clock: comparable between the processes of one host.
func monotonicNanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

func pause(milliseconds: UInt32) {
    usleep(milliseconds * 1_000)
}

/// A point in time after which waiting is given up.
struct Deadline {
    private let end: UInt64

    init(seconds: Double) {
        end = monotonicNanoseconds() + UInt64(seconds * 1e9)
    }

    var hasPassed: Bool { monotonicNanoseconds() >= end }
}
