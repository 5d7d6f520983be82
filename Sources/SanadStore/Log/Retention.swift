public import SanadCore

/// How much of the log is kept.
public struct RetentionPolicy: Hashable, Sendable {
    /// Every segment is kept until its newest frame has this age, by the wall clock.
    public var minimumAge: Span
    /// The log's files together; what is over it goes, even if the standby still needs it.
    public var maximumBytes: UInt64
    /// Free bytes of the file system; while there are fewer, log goes, as with `maximumBytes`.
    public var freeBytesFloor: UInt64

    public init(minimumAge: Span, maximumBytes: UInt64, freeBytesFloor: UInt64) {
        self.minimumAge = minimumAge
        self.maximumBytes = maximumBytes
        self.freeBytesFloor = freeBytesFloor
    }

    /// Decides what is kept now.
    ///
    /// The newest segment, and what the record table has not taken over durably, is always kept.
    ///
    /// - Parameters:
    ///   - segments: all segments, oldest first.
    ///   - standbyNeeds: the first sequence that the standby does not have; nil when none is waited
    ///     for.
    ///   - tableDurable: the sequence of `RecordTable.durablePosition`.
    ///   - nowWallMilliseconds: milliseconds since 1970.
    ///   - freeBytes: of the file system that holds the log.
    public func decide(
        segments: [SegmentInfo], standbyNeeds: Sequence?, tableDurable: Sequence,
        nowWallMilliseconds: UInt64, freeBytes: UInt64
    ) -> RetentionDecision {
        var bytes = segments.reduce(0) { $0 + $1.bytes }
        var free = freeBytes
        var keepFrom = segments.first?.first ?? .zero
        for segment in segments.dropLast() where segment.last <= tableDurable {
            let isOverBounds = bytes > maximumBytes || free < freeBytesFloor
            let isNeeded = standbyNeeds.map { segment.last >= $0 } ?? false
            let age = nowWallMilliseconds - min(nowWallMilliseconds, segment.lastWallMilliseconds)
            let isYoung = age < minimumAge.wholeMilliseconds
            guard isOverBounds || !(isNeeded || isYoung) else { break }
            bytes -= segment.bytes
            free += segment.bytes
            keepFrom = segment.last.next
        }
        return RetentionDecision(
            keepFrom: keepFrom,
            isStandbyLeftBehind: standbyNeeds.map { $0 < keepFrom } ?? false)
    }

    /// Bytes that the log may still grow by before the size cap, or the floor of free space, takes
    /// away what the standby needs; zero when it is gone already.
    ///
    /// - Parameters:
    ///   - segments: all segments, oldest first.
    ///   - standbyNeeds: the first sequence that the standby does not have.
    ///   - freeBytes: of the file system that holds the log.
    public func bytesUntilLost(
        segments: [SegmentInfo], standbyNeeds: Sequence, freeBytes: UInt64
    ) -> UInt64 {
        if let oldest = segments.first, oldest.first > standbyNeeds { return 0 }
        // What lies before it goes first, and makes room.
        let before = segments.filter { $0.last < standbyNeeds }.reduce(0) { $0 + $1.bytes }
        let needed = segments.filter { $0.last >= standbyNeeds }.reduce(0) { $0 + $1.bytes }
        let underCap = maximumBytes - min(maximumBytes, needed)
        let room = freeBytes + before
        return min(underCap, room - min(room, freeBytesFloor))
    }
}

/// What a retention policy decided.
public struct RetentionDecision: Hashable, Sendable {
    /// The oldest sequence to keep.
    public var keepFrom: Sequence
    /// What the standby needs is, or will be, gone: it is lost, and has to be reseeded.
    public var isStandbyLeftBehind: Bool
}

/// What a removal of segments did.
public struct RemovedSegments: Hashable, Sendable {
    public var files: Int
    /// Bytes of the files.
    public var bytes: UInt64
}

extension SegmentLog {
    /// Removes sealed segments all of whose frames are before `sequence` and durable in
    /// the record table. A reader that still wants one of them gets `.notHeld`.
    ///
    /// - Parameters:
    ///   - sequence: the oldest sequence to keep.
    ///   - durable: the table's `durablePosition`.
    @discardableResult
    public func removeSegments(
        before sequence: Sequence, durable: Position
    ) throws(StoreError) -> RemovedSegments {
        let keep = min(sequence, durable.sequence.next)
        let entries = catalog.entries
        // The newest segment stays: it says where the log ends.
        let count = zip(entries, entries.dropFirst()).prefix { $1.first <= keep }.count
        var removed = RemovedSegments(files: 0, bytes: 0)
        guard count > 0 else { return removed }
        try finishSealing()
        try catalog.gate.exclusive { () throws(StoreError) in
            catalog.replace(with: Array(entries.dropFirst(count)))
            // Oldest first, so that what a crash leaves has no gap.
            for entry in entries.prefix(count) {
                let path = catalog.path(entry.first)
                let bytes = Files.size(path) + Files.size(path + "-wal")
                options.beforeStep()
                try Files.removeDatabase(path)
                removed.files += 1
                removed.bytes += bytes
            }
            try Files.synchronizeDirectory(catalog.directory)
        }
        return removed
    }
}
