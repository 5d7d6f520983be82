import Glibc

/// The record that every load of the bench writes: 180 bytes of JSON, in which two random numbers
/// change. `deploy/bench/upsert.sql` gives PostgreSQL the same text.
enum SampleRecord {
    static let first = #"{"n":"#
    static let second =
        #","pupil":"Fatima Zahra Idrissi","school":"Lycee Ibn Rochd","commune":"04.421.01.07","#
        + #""level":"2BAC-PC","guardian":"0612345678","year":2026,"m":"#
    static let third = #"}"#

    /// Digits of a random number: it never starts with a zero, as JSON wants it.
    static let digits = 16

    static let valueBytes = 180

    /// Keys of the load, `k0000000` to `k0999999`.
    static let keyCount: UInt64 = 1_000_000
    static let keyBytes = 8

    static let value: [UInt8] = {
        let number = String(repeating: "1", count: digits)
        let value = Array((first + number + second + number + third).utf8)
        precondition(value.count == valueBytes, "the sample record has \(value.count) bytes")
        return value
    }()

    static let firstNumberOffset = first.utf8.count
    static let secondNumberOffset = first.utf8.count + digits + second.utf8.count

    /// Writes the key's seven digits after its `k`.
    static func write(key: UInt64, at pointer: UnsafeMutablePointer<UInt8>) {
        pointer[0] = 0x6B
        write(number: key, digits: keyBytes - 1, at: pointer + 1)
    }

    /// Puts two new random numbers into a value.
    static func write(
        randomValueAt pointer: UnsafeMutablePointer<UInt8>, from generator: inout SplitMix
    ) {
        for offset in [firstNumberOffset, secondNumberOffset] {
            let number = 1_000_000_000_000_000 + generator.next() % 9_000_000_000_000_000
            write(number: number, digits: digits, at: pointer + offset)
        }
    }

    private static func write(
        number: UInt64, digits: Int, at pointer: UnsafeMutablePointer<UInt8>
    ) {
        var rest = number
        for index in stride(from: digits - 1, through: 0, by: -1) {
            pointer[index] = UInt8(truncatingIfNeeded: 0x30 + rest % 10)
            rest /= 10
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): one addition and three shifts a number.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
