public import SanadCore

/// Reads one quarantine file: the frames that a cut removed, in order.
///
/// The file never changes, so it needs neither the store nor its lock: any process may read it, and
/// a copy of it too.
public struct QuarantineReader: Sendable {
    public let path: String
    /// The boundary that the log was cut after.
    public let fork: Position
    public let firstEpoch: Epoch
    public let lastEpoch: Epoch
    public let first: Sequence
    public let last: Sequence
    /// Bytes of the frames.
    public let bytes: UInt64

    public var transactionCount: UInt64 { last.value - first.value + 1 }

    private let vfs: String?

    /// - Throws: `.io` without such a file, `.corrupt` when it is not one of frames.
    public init(path: String) throws(StoreError) { try self.init(path: path, vfs: nil) }

    init(path: String, vfs: String?) throws(StoreError) {
        self.path = path
        self.vfs = vfs
        let connection = try Self.connect(path, vfs)
        guard try FileFormat.segment.check(connection) != nil else {
            throw StoreError(
                .corrupt, operation: "open a quarantine file", path: path,
                message: "it holds nothing")
        }
        let statement = try connection.prepare(
            """
            SELECT min(epoch), max(epoch), min(first), max(last), sum(length(frame)) FROM frames
            """)
        defer { statement.reset() }
        _ = try statement.step()
        firstEpoch = Epoch(statement.integer(0))
        lastEpoch = Epoch(statement.integer(1))
        first = Sequence(statement.integer(2))
        last = Sequence(statement.integer(3))
        bytes = statement.integer(4)
        fork = try SegmentFile.readMeta(connection, first: first, cluster: nil).previous
    }

    /// Consecutive frames, verified one by one and against each other.
    ///
    /// - Parameters:
    ///   - sequence: the last sequence of the frame read before, or anything lower.
    ///   - maximumBytes: enough frames for this many bytes, at least one if there is one.
    /// - Throws: `.corrupt` with the row.
    public func read(
        after sequence: Sequence, maximumBytes: Int
    ) throws(StoreError) -> [Frame] {
        let connection = try Self.connect(path, vfs)
        let statement = try connection.prepare(
            "SELECT first, last, epoch, hash, frame FROM frames WHERE first > ? ORDER BY first")
        defer { statement.reset() }
        statement.bind(1, sequence.value)
        var frames: [Frame] = []
        var bytes = 0
        var previous = sequence <= fork.sequence ? fork : nil
        while frames.isEmpty || bytes < maximumBytes, try statement.step() {
            let frame = try FrameRow.decode(statement, path: path)
            if let previous {
                do throws(FrameError) {
                    try frame.check(after: previous)
                } catch {
                    throw StoreError(
                        .corrupt, operation: "read a quarantine file", path: path,
                        message: "row first=\(frame.header.first): \(error)",
                        hint: "keep the file: the other frames can be read")
                }
            }
            bytes += frame.bytes.count
            previous = frame.position
            frames.append(frame)
        }
        return frames
    }

    private static func connect(
        _ path: String, _ vfs: String?
    ) throws(StoreError) -> SQLiteConnection {
        let connection = try SQLiteConnection(path: path, access: .immutable, vfs: vfs)
        try Pragmas.apply(toReader: connection, cacheKibibytes: 1 << 10)
        return connection
    }
}

extension SegmentLog {
    /// A reader of a listed quarantine file.
    public func quarantineReader(_ entry: QuarantineEntry) throws(StoreError) -> QuarantineReader {
        try QuarantineReader(path: "\(quarantineDirectory)/\(entry.file)", vfs: options.vfs)
    }

    /// Deletes a quarantine file that the operator no longer needs, and takes it off the list.
    public func discardQuarantine(_ entry: QuarantineEntry) throws(StoreError) {
        try Files.removeDatabase("\(quarantineDirectory)/\(entry.file)")
        try Files.synchronizeDirectory(quarantineDirectory)
        try node.removeQuarantine(number: entry.number)
    }
}
