public import SanadCore

/// The log's writer: frames in order, in files that are sealed and never change again.
///
/// Used by the node thread only.
public final class SegmentLog {
    /// The boundary after the last frame; durable.
    public internal(set) var end: Position
    /// Bytes of the whole log up to `end`.
    public internal(set) var endOffset: UInt64
    /// The largest committed sequence that the log's frames tell: a lower bound that a restarted
    /// node can rely on.
    public internal(set) var knownCommitted: Sequence

    let catalog: SegmentCatalog
    let cluster: Identifier
    let options: StoreOptions
    let node: NodeDatabase
    let quarantineDirectory: String
    let table: RecordTable
    var active: SegmentFile?
    /// Segments before the active one that are being sealed, oldest first.
    var sealing: [SealingJob] = []
    let lookup: LogReaderCore
    var isPoisoned = false
    /// Appends in a row for which the active segment has the wrong page size.
    private var misfits = 0
    /// As many end the segment: a mixture of large and small appends does not make a file of each.
    private static let misfitsMaximum = 4

    /// The oldest sequence that the log holds; the next one when it holds none.
    public var first: Sequence { catalog.first ?? end.sequence.next }

    init(
        directory: String, cluster: Identifier, options: StoreOptions, node: NodeDatabase,
        table: RecordTable
    ) throws(StoreError) {
        let segments = directory + "/segments"
        quarantineDirectory = directory + "/quarantine"
        try Files.makeDirectory(segments)
        try Files.makeDirectory(quarantineDirectory)
        catalog = SegmentCatalog(directory: segments, vfs: options.vfs)
        lookup = LogReaderCore(catalog: catalog)
        self.cluster = cluster
        self.options = options
        self.node = node
        self.table = table
        end = .origin
        endOffset = 0
        knownCommitted = .zero
        try recover()
    }

    deinit {
        // Whoever opens the store next must find no connection of this one. A failure has nobody
        // to go to; the next start finds what it left.
        try? finishSealing()
    }

    /// Appends frames durably: they are on the disk when the call returns.
    ///
    /// A new epoch's first frame starts a new segment. Frames of one segment go in one
    /// transaction; of several segments, a prefix may be durable when the call throws.
    ///
    /// - Throws: `.notTheNextFrame` and `.diskFull` change nothing and may be tried again. A fatal
    ///   error leaves the end unknown: every later append throws `.poisoned`.
    public func append(_ frames: ArraySlice<Frame>) throws(StoreError) {
        guard !isPoisoned else {
            throw StoreError(
                .poisoned, operation: "append", path: catalog.directory,
                message: "an earlier write failed; only a restart can tell what is on the disk",
                isFatal: true)
        }
        var previous = end
        for frame in frames {
            do throws(FrameError) {
                try frame.check(after: previous)
            } catch {
                throw StoreError(
                    .notTheNextFrame, operation: "append", path: catalog.directory,
                    message: "frame \(frame.header.first) after \(previous): \(error)")
            }
            previous = frame.position
        }
        var rest = frames
        try reapSealing(leaving: sealing.count)
        while !rest.isEmpty {
            // An epoch's first frame opens a segment, so it can only stand at the front of a run.
            let stop =
                rest.dropFirst().firstIndex { $0.header.kind == .epochStart } ?? rest.endIndex
            do throws(StoreError) {
                let file = try activeFile(for: rest[rest.startIndex..<stop])
                try file.append(rest[rest.startIndex..<stop])
            } catch {
                guard error.code != .diskFull else { throw error }
                isPoisoned = true
                throw error.fatal
            }
            advance(over: rest[rest.startIndex..<stop])
            rest = rest[stop...]
        }
    }

    /// Appends frames durably; see the slice's `append`.
    public func append(_ frames: [Frame]) throws(StoreError) { try append(frames[...]) }

    /// Seals the active segment, if there is one with frames.
    public func seal() throws(StoreError) {
        try finishSealing()
        guard let file = active, file.frameBytes > 0 else { return }
        guard try file.seal() else { return }
        active = nil
        catalog.markSealed(file.first)
    }

    /// The boundary of the frame whose last sequence is `sequence`; the origin for zero.
    ///
    /// - Returns: nil when the log has no boundary there, or no longer has it.
    public func boundary(at sequence: Sequence) throws(StoreError) -> Position? {
        let position = try boundary(atOrBefore: sequence)
        return position?.sequence == sequence ? position : nil
    }

    /// The last boundary that is not after `sequence`; nil when it lies before the oldest frame.
    public func boundary(atOrBefore sequence: Sequence) throws(StoreError) -> Position? {
        if sequence >= end.sequence { return end }
        if sequence == .zero { return .origin }
        return try lookup.boundary(atOrBefore: sequence)
    }

    /// Makes an empty log begin after `position`, where a snapshot of the records ends.
    ///
    /// - Precondition: the log holds no frame.
    public func begin(after position: Position, offset: UInt64) throws(StoreError) {
        precondition(catalog.last == nil, "only an empty log can begin elsewhere")
        try node.write { () throws(StoreError) in try node.saveLogBase(position, offset: offset) }
        adoptBase(position, offset: offset)
    }

    /// Takes over a base that `node.db` has.
    func adoptBase(_ position: Position, offset: UInt64) {
        end = position
        endOffset = offset
        knownCommitted = position.sequence
    }

    /// A reader for another thread; it sees what is durable.
    public func makeReader() -> LogReader { LogReader(catalog: catalog) }

    /// Segment files with their sizes, oldest first.
    public func segments() throws(StoreError) -> [SegmentInfo] { try lookup.segments() }

    private func activeFile(for run: ArraySlice<Frame>) throws(StoreError) -> SegmentFile {
        let bytes = run.reduce(0) { $0 + $1.bytes.count }
        if let file = active, file.frameBytes > 0 {
            misfits = file.isMisfit(forAppend: bytes, options: options) ? misfits + 1 : 0
            if run.first?.header.kind == .epochStart || misfits >= Self.misfitsMaximum
                || file.frameBytes >= UInt64(options.segmentBytesTarget)
            {
                try retireActive()
            }
        }
        if let active { return active }
        misfits = 0
        let first = end.sequence.next
        let file: SegmentFile
        do throws(StoreError) {
            file = try SegmentFile.create(
                path: catalog.path(first), after: end, logOffset: endOffset, cluster: cluster,
                pageBytes: bytes >= options.segmentLargeAppendBytes
                    ? options.segmentLargePageBytes : options.segmentPageBytes, options: options)
        } catch {
            // What a failed creation leaves would stand in the way of the next attempt.
            if error.code == .diskFull { try Files.removeDatabase(catalog.path(first)) }
            throw error
        }
        catalog.append(SegmentCatalog.Entry(first: first, isSealed: false))
        active = file
        return file
    }

    private func advance(over frames: ArraySlice<Frame>) {
        guard let last = frames.last else { return }
        end = last.position
        endOffset += frames.reduce(0) { $0 + UInt64($1.bytes.count) }
        knownCommitted = max(knownCommitted, last.header.committed)
    }
}
