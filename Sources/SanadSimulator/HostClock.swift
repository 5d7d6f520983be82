internal import SanadCore

/// One host's monotonic clock: it runs beside true time, within the drift that is allowed.
struct HostClock {
    /// Local nanoseconds a million true nanoseconds; 1 % between the fastest and the slowest.
    static let rates: ClosedRange<UInt64> = 995_030...1_004_970

    private var anchor: UInt64
    private var reading: UInt64
    private(set) var rate: UInt64

    /// - Parameter reading: what the clock shows at the true time `time`.
    init(time: UInt64, reading: UInt64, rate: UInt64) {
        anchor = time
        self.reading = reading
        self.rate = rate
    }

    func now(at time: UInt64) -> Instant {
        Instant(nanoseconds: reading + (time - anchor) / 1_000 * rate / 1_000)
    }

    /// The true time at which the clock shows `instant`, or a little later.
    func time(of instant: Instant, from time: UInt64) -> UInt64 {
        let span = instant.since(now(at: time)).nanoseconds
        return time + (span / rate + 1) * 1_000_000 + 1_000
    }

    mutating func setRate(_ rate: UInt64, at time: UInt64) {
        reading = now(at: time).nanoseconds
        anchor = time
        self.rate = rate
    }

    /// The host was switched off and on: its clock begins anew.
    mutating func reboot(at time: UInt64) {
        anchor = time
        reading = 1_000_000_000
    }

    /// The ends of the range are where the rules are tight.
    static func drawRate(_ random: inout Generator) -> UInt64 {
        switch random.index(4) {
        case 0: rates.lowerBound
        case 1: rates.upperBound
        default: random.number(rates)
        }
    }
}
