internal import SanadCore

/// The connection that writes one segment: the only one that writes and checkpoints that file.
final class SegmentFile {
    /// What a segment says about itself.
    struct Meta {
        var previous: Position
        /// Bytes of the log before this segment.
        var logOffset: UInt64
        var isSealed: Bool
    }

    static let schema = """
        CREATE TABLE meta (
            id INTEGER PRIMARY KEY CHECK (id = 1), cluster BLOB NOT NULL, first INTEGER NOT NULL,
            previous_epoch INTEGER NOT NULL, previous_sequence INTEGER NOT NULL,
            previous_hash BLOB NOT NULL, log_offset INTEGER NOT NULL, sealed INTEGER NOT NULL
            ) STRICT;
        CREATE TABLE frames (
            first INTEGER PRIMARY KEY, last INTEGER NOT NULL, epoch INTEGER NOT NULL,
            hash BLOB NOT NULL, frame BLOB NOT NULL) STRICT;
        """

    let first: Sequence
    let path: String
    /// Bytes of the frames that the file holds.
    var frameBytes: UInt64 = 0
    private let pageBytes: Int
    private let connection: SQLiteConnection
    private let insert: SQLiteStatement
    private let checkpointBytes: Int
    private var bytesSinceCheckpoint = 0

    private init(
        _ connection: SQLiteConnection, first: Sequence, options: StoreOptions
    ) throws(StoreError) {
        self.connection = connection
        self.first = first
        path = connection.path
        pageBytes = Int(try connection.integer("PRAGMA page_size") ?? 0)
        // Large pages are written once to the WAL, and once to the file when the segment is sealed.
        // Small appends write one page many times: their WAL would outgrow the segment.
        checkpointBytes =
            pageBytes > options.segmentPageBytes
            ? options.segmentBytesTarget * 5 / 4 : options.segmentCheckpointBytes
        insert = try connection.prepare("INSERT INTO frames VALUES (?, ?, ?, ?, ?)")
    }

    /// Makes a segment that begins after `previous`; its directory entry is durable on return.
    static func create(
        path: String, after previous: Position, logOffset: UInt64, cluster: Identifier,
        pageBytes: Int, options: StoreOptions
    ) throws(StoreError) -> SegmentFile {
        let connection = try SQLiteConnection(path: path, access: .create, vfs: options.vfs)
        try pragmas(options, pageBytes: pageBytes).apply(toWriter: connection)
        try connection.transaction { () throws(StoreError) in
            try connection.execute(schema)
            let statement = try connection.prepare(
                "INSERT INTO meta VALUES (1, ?, ?, ?, ?, ?, ?, 0)")
            statement.bind(1, copying: cluster.bytes)
            statement.bind(2, previous.sequence.next.value)
            previous.bind(to: statement, at: 3)
            statement.bind(6, logOffset)
            try statement.run()
            try FileFormat.segment.mark(connection)
        }
        try Files.synchronizeDirectory(Files.parent(of: path))
        return try SegmentFile(connection, first: previous.sequence.next, options: options)
    }

    /// Opens the newest segment after a start.
    ///
    /// - Returns: nil when its creation had not come to its end: then it never held a frame.
    static func open(
        path: String, first: Sequence, cluster: Identifier, options: StoreOptions
    ) throws(StoreError) -> (file: SegmentFile, meta: Meta)? {
        let connection = try SQLiteConnection(path: path, access: .readWrite, vfs: options.vfs)
        // A file that is not empty keeps the page size that it was made with.
        try pragmas(options, pageBytes: options.segmentPageBytes).apply(toWriter: connection)
        guard try FileFormat.segment.check(connection) != nil else { return nil }
        let meta = try readMeta(connection, first: first, cluster: cluster)
        let file = try SegmentFile(connection, first: first, options: options)
        return (file, meta)
    }

    private static func pragmas(_ options: StoreOptions, pageBytes: Int) -> Pragmas {
        Pragmas(
            pageBytes: pageBytes, synchronous: .full, cacheKibibytes: 4 << 10,
            journalBytesLimit: options.segmentCheckpointBytes * 2)
    }

    static func readMeta(
        _ connection: SQLiteConnection, first: Sequence, cluster: Identifier?
    ) throws(StoreError) -> Meta {
        func damaged(_ message: String) -> StoreError {
            StoreError(
                .corrupt, operation: "read the segment's meta row", path: connection.path,
                message: message, hint: "keep the file, and reseed this node from its peer")
        }
        let statement = try connection.prepare("SELECT * FROM meta")
        defer { statement.reset() }
        guard try statement.step(), let previous = Position(statement, column: 3) else {
            throw damaged("it is missing or malformed")
        }
        guard statement.integer(2) == first.value, previous.sequence.next == first else {
            throw damaged("the file's name and its first sequence differ")
        }
        if let cluster, Identifier(bytes: statement.buffer(1)) != cluster {
            throw StoreError(
                .foreignStore, operation: "open a segment", path: connection.path,
                message: "it belongs to another cluster")
        }
        return Meta(
            previous: previous, logOffset: statement.integer(6),
            isSealed: statement.integer(7) != 0)
    }

    /// The last frame, verified; nil when there is none.
    func lastFrame() throws(StoreError) -> Frame? {
        let statement = try connection.prepare(
            "SELECT first, last, epoch, hash, frame FROM frames ORDER BY first DESC LIMIT 1")
        defer { statement.reset() }
        guard try statement.step() else { return nil }
        return try FrameRow.decode(statement, path: path)
    }

    /// Whether another page size would serve an append of this many bytes better.
    func isMisfit(forAppend bytes: Int, options: StoreOptions) -> Bool {
        pageBytes > options.segmentPageBytes
            ? bytes < options.segmentSmallAppendBytes : bytes >= options.segmentLargeAppendBytes
    }

    /// Appends frames in one transaction that is on the disk when the call returns.
    func append(_ frames: ArraySlice<Frame>) throws(StoreError) {
        if frames.count == 1, let frame = frames.first {
            // A single statement is a transaction of its own: two calls less for each commit.
            try insertRow(frame)
        } else {
            try connection.transaction { () throws(StoreError) in
                for frame in frames { try insertRow(frame) }
            }
        }
        for frame in frames {
            frameBytes += UInt64(frame.bytes.count)
            // A small frame still rewrites the page that it stands on.
            bytesSinceCheckpoint += frame.bytes.count + 4_096
        }
        try checkpointIfDue()
    }

    private func insertRow(_ frame: Frame) throws(StoreError) {
        let hash = frame.hash.bytes
        let status = frame.bytes.withUnsafeBytes { bytes in
            hash.withUnsafeBytes { hash in
                insert.bind(1, frame.header.first.value)
                insert.bind(2, frame.header.last.value)
                insert.bind(3, frame.header.epoch.value)
                insert.bind(4, borrowing: hash)
                insert.bind(5, borrowing: bytes)
                let status = insert.stepStatus()
                // Reset returns the same status again, so that no binding outlives its bytes.
                insert.reset()
                return status
            }
        }
        _ = try insert.outcome(status)
    }

    private func checkpointIfDue() throws(StoreError) {
        guard bytesSinceCheckpoint >= checkpointBytes else { return }
        do throws(StoreError) {
            _ = try connection.checkpoint(.passive)
        } catch  where error.code == .diskFull || error.code == .busy {
            // The frames are durable in the WAL; the next commits try again.
        }
        bytesSinceCheckpoint = 0
    }

    /// Makes the file immutable: everything in it, nothing in its WAL.
    ///
    /// - Returns: false when a reader held it for too long; the segment then goes on growing.
    func seal() throws(StoreError) -> Bool {
        do throws(StoreError) {
            try connection.execute("UPDATE meta SET sealed = 1")
            return try connection.checkpoint(.truncate) == 0
        } catch  where error.code == .busy {
            return false
        }
    }

    /// Removes the frames after `sequence`, and opens the segment for appending again.
    func truncate(after sequence: Sequence) throws(StoreError) {
        try connection.transaction { () throws(StoreError) in
            let statement = try connection.prepare("DELETE FROM frames WHERE first > ?")
            statement.bind(1, sequence.value)
            try statement.run()
            try connection.execute("UPDATE meta SET sealed = 0")
        }
        _ = try connection.checkpoint(.truncate)
    }
}

/// One row of a table of frames.
enum FrameRow {
    /// Decodes the columns first, last, epoch, hash, frame and checks each against the bytes.
    static func decode(_ statement: SQLiteStatement, path: String) throws(StoreError) -> Frame {
        let first = statement.integer(0)
        func damaged(_ message: String) -> StoreError {
            StoreError(
                .corrupt, operation: "read a frame", path: path,
                message: "row first=\(first): \(message)",
                hint: "keep the file, and reseed this node from its peer")
        }
        let hash = statement.buffer(3)
        guard hash.count == ChainHash.byteCount else { throw damaged("the hash has a wrong size") }
        let stored = ChainHash(bytes: hash)
        let frame: Frame
        do throws(FrameError) {
            frame = try Frame(decoding: statement.bytes(4))
        } catch {
            throw damaged("the bytes are not a frame: \(error)")
        }
        guard frame.hash == stored else {
            throw damaged("the chain hash does not match the bytes")
        }
        guard frame.header.first.value == first,
            frame.header.last.value == statement.integer(1),
            frame.header.epoch.value == statement.integer(2)
        else { throw damaged("the columns do not match the bytes") }
        return frame
    }
}
