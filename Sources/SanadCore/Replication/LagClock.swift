/// Remembers when sequences were written, by the primary's own clock, so that "how many seconds
/// is the standby behind" never compares two hosts' clocks.
public struct LagClock: Sendable {
    private struct Sample {
        var sequence: Sequence
        var written: Instant
    }

    /// Samples are at least this far apart, so the answer is exact to this span.
    private static let spacing = Span.milliseconds(20)

    private var samples: [Sample] = []
    private var spacing = LagClock.spacing

    public init() {}

    /// Notes that `sequence` was written at `now`.
    public mutating func wrote(_ sequence: Sequence, at now: Instant) {
        if let last = samples.last, now.since(last.written) < spacing { return }
        if samples.count == Limits.lagSamplesMaximum {
            samples = stride(from: 0, to: samples.count, by: 2).map { samples[$0] }
            spacing = spacing * 2
        }
        samples.append(Sample(sequence: sequence, written: now))
    }

    /// The age of the oldest write that is newer than `reached`.
    ///
    /// - Returns: zero when nothing is; nil when it is older than everything remembered.
    public mutating func lag(reached: Sequence, end: Sequence, now: Instant) -> Span? {
        if reached >= end {
            samples.removeAll(keepingCapacity: true)
            spacing = Self.spacing
            return .zero
        }
        guard let first = samples.first, first.sequence <= reached.next else { return nil }
        let behind = samples.lastIndex { $0.sequence <= reached.next } ?? 0
        if behind > 0 { samples.removeFirst(behind) }
        return now.since(samples[0].written)
    }
}
