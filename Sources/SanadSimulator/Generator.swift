/// Every chance of a world comes from one of these, so that its seed replays it.
///
/// SplitMix64: G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators",
/// OOPSLA 2014.
struct Generator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0xD134_2543_DE82_EF95 &+ 0x63 }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }

    /// A number of the range, both ends included; the slight unevenness does no harm here.
    mutating func number(_ range: ClosedRange<UInt64>) -> UInt64 {
        range.lowerBound + next() % (range.upperBound - range.lowerBound + 1)
    }

    /// A place in a list of `count` entries.
    mutating func index(_ count: Int) -> Int { Int(next() % UInt64(count)) }

    /// True once in `count` times.
    mutating func once(in count: UInt64) -> Bool { next() % count == 0 }

    mutating func flip() -> Bool { next() & 1 == 0 }

    /// True time, in nanoseconds, of so many milliseconds, drawn to the microsecond.
    mutating func milliseconds(_ range: ClosedRange<UInt64>) -> UInt64 {
        number((range.lowerBound * 1_000)...(range.upperBound * 1_000)) * 1_000
    }
}
