public import SanadCore
internal import Synchronization

/// What one segment file holds.
public struct SegmentInfo: Hashable, Sendable {
    /// The file's name inside `segments/`.
    public var file: String
    public var first: Sequence
    public var last: Sequence
    /// A segment holds one epoch.
    public var epoch: Epoch
    /// Size of the file and its WAL.
    public var bytes: UInt64
    public var isSealed: Bool
    /// When the primary encoded the newest frame: milliseconds since 1970, by its clock.
    public var lastWallMilliseconds: UInt64

    public var transactionCount: UInt64 { last < first ? 0 : last.value - first.value + 1 }
}

/// What a verification of the whole log found.
public struct VerifyReport: Sendable {
    public var segments = 0
    public var frames = 0
    public var transactions: UInt64 = 0
    public var bytes: UInt64 = 0
    /// The boundary up to which everything is as it was written.
    public var verified = Position.origin
    /// The first thing in each file that is not; empty when the whole log is sound.
    public var problems: [StoreError] = []
}

/// Reads the log beside its writer, over read-only connections of its own that never checkpoint.
///
/// Any thread may call it; calls take turns.
public final class LogReader: Sendable {
    private let core: Mutex<LogReaderCore>

    init(catalog: SegmentCatalog) { core = Mutex(LogReaderCore(catalog: catalog)) }

    /// Consecutive durable frames, the first of which follows `sequence`, verified one by one and
    /// against each other.
    ///
    /// - Parameter maximumBytes: enough frames for this many bytes, at least one if there is one.
    /// - Returns: nothing at the log's end.
    /// - Throws: `.notHeld` when retention has removed the frame, `.notABoundary` when `sequence`
    ///   is inside a frame, `.corrupt` with file and row.
    public func read(after sequence: Sequence, maximumBytes: Int) throws(StoreError) -> [Frame] {
        try core.withLock { core throws(StoreError) in
            try core.read(after: sequence, maximumBytes: maximumBytes, previous: nil)
        }
    }

    /// The epoch in which a transaction was written; nil when the log does not have it. With the
    /// sequence it names one history: an epoch has one primary, and its log one order.
    public func epoch(at sequence: Sequence) throws(StoreError) -> Epoch? {
        try core.withLock { core throws(StoreError) in try core.epoch(at: sequence) }
    }

    /// The segment files, oldest first. Counts rows: for operators.
    public func segments() throws(StoreError) -> [SegmentInfo] {
        try core.withLock { core throws(StoreError) in try core.segments() }
    }

    /// Verifies the chain of the whole log, across files. After something damaged it goes on with
    /// the next file, so that an operator learns of all that is lost at once.
    ///
    /// - Parameter progress: called with the state so far after each read; false ends the work.
    public func verify(
        progress: (VerifyReport) -> Bool = { _ in true }
    ) throws(StoreError) -> VerifyReport {
        var report = VerifyReport()
        let entries = core.withLock { $0.catalog.entries }
        guard let first = entries.first?.first else { return report }
        report.segments = entries.count
        var place = Place(next: Sequence(first.value - 1))
        while true {
            let frames: [Frame]
            do throws(StoreError) {
                let from = place
                frames = try core.withLock { core throws(StoreError) in
                    try core.read(
                        after: from.next, maximumBytes: from.bytes, previous: from.position)
                }
            } catch  where error.code == .corrupt || error.code == .notABoundary {
                // Frame by frame, the last sound one is found.
                if place.bytes > 1 {
                    place.bytes = 1
                    continue
                }
                report.problems.append(error)
                let damaged = entries.last { $0.first <= place.next.next } ?? entries[0]
                guard let following = entries.first(where: { $0.first > damaged.first }) else {
                    return report
                }
                place = Place(next: Sequence(following.first.value - 1))
                continue
            }
            guard let last = frames.last else { return report }
            report.frames += frames.count
            report.transactions += last.header.last.value - place.next.value
            report.bytes += frames.reduce(0) { $0 + UInt64($1.bytes.count) }
            if report.problems.isEmpty { report.verified = last.position }
            place.position = last.position
            place.next = last.header.last
            guard progress(report) else { return report }
        }
    }

    /// Where a verification is.
    private struct Place {
        var next: Sequence
        /// The boundary there; nil where nothing before it is known to be sound.
        var position: Position?
        var bytes = Limits.catchUpReadBytes
    }
}
