/// The number of a transaction in the log: dense, from 1. Zero means "before the first".
public struct Sequence: Hashable, Comparable, Sendable, CustomStringConvertible {
    public var value: UInt64

    public init(_ value: UInt64) { self.value = value }

    /// The place before the first transaction.
    public static let zero = Sequence(0)

    public var next: Sequence { Sequence(value + 1) }

    public func advanced(by count: UInt64) -> Sequence { Sequence(value + count) }

    public static func < (left: Sequence, right: Sequence) -> Bool { left.value < right.value }

    public var description: String { String(value) }
}

/// The reign of one primary, from 1. It grows at every taking of the primary role, a restart
/// included. Zero means "no reign yet".
public struct Epoch: Hashable, Comparable, Sendable, CustomStringConvertible {
    public var value: UInt64

    public init(_ value: UInt64) { self.value = value }

    public static let zero = Epoch(0)

    public var next: Epoch { Epoch(value + 1) }

    public static func < (left: Epoch, right: Epoch) -> Bool { left.value < right.value }

    public var description: String { String(value) }
}

/// A frame boundary in one history: the chain hash names everything up to and with `sequence`.
///
/// Two nodes whose positions are equal hold the same bytes.
public struct Position: Hashable, Sendable, CustomStringConvertible {
    public var epoch: Epoch
    public var sequence: Sequence
    public var hash: ChainHash

    public init(epoch: Epoch, sequence: Sequence, hash: ChainHash) {
        self.epoch = epoch
        self.sequence = sequence
        self.hash = hash
    }

    /// The position of an empty log.
    public static let origin = Position(epoch: .zero, sequence: .zero, hash: .zero)

    /// `epoch/sequence/first 8 hexadecimal digits of the hash`, for people.
    public var description: String { "\(epoch)/\(sequence)/\(hash.prefixText)" }
}

/// A point on one host's monotonic clock (`CLOCK_BOOTTIME`), in nanoseconds.
///
/// Instants of two hosts are never compared with each other.
public struct Instant: Hashable, Comparable, Sendable {
    public var nanoseconds: UInt64

    public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    public static let zero = Instant(nanoseconds: 0)

    /// The instant that no clock reaches.
    public static let never = Instant(nanoseconds: .max)

    public static func < (left: Instant, right: Instant) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    /// Adds a span; an overflow stays at `never`.
    public static func + (left: Instant, right: Span) -> Instant {
        let (sum, overflow) = left.nanoseconds.addingReportingOverflow(right.nanoseconds)
        return overflow ? .never : Instant(nanoseconds: sum)
    }

    /// The time from `earlier` to this instant; zero when `earlier` is not earlier.
    public func since(_ earlier: Instant) -> Span {
        nanoseconds > earlier.nanoseconds
            ? Span(nanoseconds: nanoseconds - earlier.nanoseconds) : .zero
    }
}

/// A length of time that is never negative, in nanoseconds.
public struct Span: Hashable, Comparable, Sendable {
    public var nanoseconds: UInt64

    public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    public static let zero = Span(nanoseconds: 0)

    public static func milliseconds(_ count: UInt64) -> Span {
        Span(nanoseconds: count * 1_000_000)
    }

    public static func seconds(_ count: UInt64) -> Span { Span(nanoseconds: count * 1_000_000_000) }

    public var seconds: Double { Double(nanoseconds) / 1e9 }

    public var wholeMilliseconds: UInt64 { nanoseconds / 1_000_000 }

    public static func < (left: Span, right: Span) -> Bool { left.nanoseconds < right.nanoseconds }

    public static func + (left: Span, right: Span) -> Span {
        Span(nanoseconds: left.nanoseconds + right.nanoseconds)
    }

    public static func * (left: Span, right: UInt64) -> Span {
        Span(nanoseconds: left.nanoseconds * right)
    }

    public static func / (left: Span, right: UInt64) -> Span {
        Span(nanoseconds: left.nanoseconds / right)
    }
}
