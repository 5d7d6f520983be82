internal import SanadCore

/// The work of a log reader, for one thread at a time.
final class LogReaderCore {
    private final class OpenSegment {
        let first: Sequence
        let connection: SQLiteConnection
        let frames: SQLiteStatement
        let boundaries: SQLiteStatement

        init(_ entry: SegmentCatalog.Entry, _ catalog: SegmentCatalog) throws(StoreError) {
            first = entry.first
            connection = try SQLiteConnection(
                path: catalog.path(entry.first), access: entry.isSealed ? .immutable : .readOnly,
                vfs: catalog.vfs)
            try Pragmas.apply(toReader: connection, cacheKibibytes: 1 << 10)
            frames = try connection.prepare(
                """
                SELECT first, last, epoch, hash, frame FROM frames WHERE first >= ? ORDER BY first
                """)
            boundaries = try connection.prepare(
                """
                SELECT first, epoch, last, hash FROM frames WHERE first <= ?
                ORDER BY first DESC LIMIT 2
                """)
        }
    }

    let catalog: SegmentCatalog
    private var open: OpenSegment?
    private var generation: UInt64 = 0

    init(catalog: SegmentCatalog) { self.catalog = catalog }

    /// See `LogReader.read`.
    ///
    /// - Parameter previous: the boundary before the first frame, when it is known.
    func read(
        after sequence: Sequence, maximumBytes: Int, previous: Position?
    ) throws(StoreError) -> [Frame] {
        try catalog.gate.shared { () throws(StoreError) in
            var frames: [Frame] = []
            var bytes = 0
            var position = previous
            var next = sequence.next
            while frames.isEmpty || bytes < maximumBytes {
                let (found, following) = catalog.locate(next)
                guard let entry = found else {
                    guard let oldest = following?.first else { return [] }
                    throw StoreError(
                        .notHeld, operation: "read the log", path: catalog.directory,
                        message: "sequence \(next) is gone; the log begins at \(oldest)",
                        hint: "the reader needs a snapshot")
                }
                let before = frames.count
                try read(
                    entry, from: next, maximumBytes: maximumBytes, frames: &frames, bytes: &bytes,
                    position: &position)
                guard frames.count > before, let last = frames.last else {
                    if let following {
                        throw corrupt(
                            entry,
                            "it ends before \(next), and the next file begins at "
                                + "\(following.first)")
                    }
                    return frames
                }
                next = last.header.last.next
            }
            return frames
        }
    }

    private func read(
        _ entry: SegmentCatalog.Entry, from next: Sequence, maximumBytes: Int,
        frames: inout [Frame], bytes: inout Int, position: inout Position?
    ) throws(StoreError) {
        let segment = try segment(entry)
        defer { segment.frames.reset() }
        segment.frames.bind(1, next.value)
        var expected = next
        while frames.isEmpty || bytes < maximumBytes, try segment.frames.step() {
            let frame = try FrameRow.decode(segment.frames, path: segment.connection.path)
            guard frame.header.first == expected else {
                throw StoreError(
                    frames.isEmpty ? .notABoundary : .corrupt, operation: "read the log",
                    path: segment.connection.path,
                    message: "no frame begins at \(expected); the next one begins at "
                        + "\(frame.header.first)")
            }
            if let before = position {
                do throws(FrameError) {
                    try frame.check(after: before)
                } catch {
                    throw corrupt(entry, "row first=\(frame.header.first): \(error)")
                }
            }
            position = frame.position
            expected = frame.header.last.next
            bytes += frame.bytes.count
            frames.append(frame)
        }
    }

    /// The last boundary that is not after `sequence`; nil when the log no longer has it.
    func boundary(atOrBefore sequence: Sequence) throws(StoreError) -> Position? {
        try catalog.gate.shared { () throws(StoreError) in
            guard let entry = catalog.locate(sequence).found else {
                guard let oldest = catalog.first, oldest == sequence.next else { return nil }
                return try previous(of: SegmentCatalog.Entry(first: oldest, isSealed: false))
            }
            let statement = try segment(entry).boundaries
            defer { statement.reset() }
            statement.bind(1, sequence.value)
            while try statement.step() {
                guard let position = Position(statement, column: 1) else {
                    throw corrupt(entry, "row first=\(statement.integer(0)): bad hash")
                }
                if position.sequence <= sequence { return position }
            }
            return try previous(of: entry)
        }
    }

    /// The epoch in which a transaction was written; nil when the log does not have it.
    func epoch(at sequence: Sequence) throws(StoreError) -> Epoch? {
        if sequence == .zero { return .zero }
        return try catalog.gate.shared { () throws(StoreError) in
            guard let entry = catalog.locate(sequence).found else {
                guard let oldest = catalog.first, oldest == sequence.next else { return nil }
                return try previous(of: SegmentCatalog.Entry(first: oldest, isSealed: false)).epoch
            }
            let statement = try segment(entry).boundaries
            defer { statement.reset() }
            statement.bind(1, sequence.value)
            guard try statement.step(), Sequence(statement.integer(2)) >= sequence else {
                return nil
            }
            return Epoch(statement.integer(1))
        }
    }

    /// The first sequence of the frame that holds `sequence`.
    func start(ofFrameAt sequence: Sequence) throws(StoreError) -> Sequence? {
        try catalog.gate.shared { () throws(StoreError) in
            guard let entry = catalog.locate(sequence).found else { return nil }
            let statement = try segment(entry).boundaries
            defer { statement.reset() }
            statement.bind(1, sequence.value)
            return try statement.step() ? Sequence(statement.integer(0)) : nil
        }
    }

    func segments() throws(StoreError) -> [SegmentInfo] {
        try catalog.gate.shared { () throws(StoreError) in
            var infos: [SegmentInfo] = []
            for entry in catalog.entries {
                if let known = catalog.info(of: entry) {
                    infos.append(known)
                    continue
                }
                let info = try info(entry)
                catalog.remember(info, of: entry)
                infos.append(info)
            }
            return infos
        }
    }

    private func info(_ entry: SegmentCatalog.Entry) throws(StoreError) -> SegmentInfo {
        let segment = try segment(entry)
        // The frame's header has the clock: docs/formats/segment.md.
        let statement = try segment.connection.prepare(
            "SELECT last, epoch, substr(frame, 49, 8) FROM frames ORDER BY first DESC LIMIT 1")
        defer { statement.reset() }
        let isEmpty = try !statement.step()
        // The newest file may be sealed too; one whose WAL is not moved yet is on its way.
        let meta = try SegmentFile.readMeta(segment.connection, first: entry.first, cluster: nil)
        let walBytes = Files.size(segment.connection.path + "-wal")
        let wall = statement.buffer(2)
        let path = segment.connection.path
        return SegmentInfo(
            file: SegmentCatalog.fileName(entry.first), first: entry.first,
            last: isEmpty ? .zero : Sequence(statement.integer(0)),
            epoch: isEmpty ? .zero : Epoch(statement.integer(1)),
            bytes: Files.size(path) + walBytes,
            isSealed: entry.isSealed || (meta.isSealed && !Files.exists(path + "-wal")),
            lastWallMilliseconds: wall.count == 8
                ? UInt64(littleEndian: wall.loadUnaligned(as: UInt64.self)) : 0)
    }

    /// The boundary before a segment's first frame, by the segment's own word.
    func begin(of entry: SegmentCatalog.Entry) throws(StoreError) -> Position {
        try catalog.gate.shared { () throws(StoreError) in try previous(of: entry) }
    }

    /// See `begin(of:)`.
    private func previous(of entry: SegmentCatalog.Entry) throws(StoreError) -> Position {
        let segment = try segment(entry)
        return try SegmentFile.readMeta(segment.connection, first: entry.first, cluster: nil)
            .previous
    }

    private func segment(_ entry: SegmentCatalog.Entry) throws(StoreError) -> OpenSegment {
        let current = catalog.generation
        if let open, open.first == entry.first, generation == current { return open }
        // One file at a time: a reader goes through them in order, and descriptors stay few.
        open = nil
        let segment = try OpenSegment(entry, catalog)
        open = segment
        generation = current
        return segment
    }

    func corrupt(_ entry: SegmentCatalog.Entry, _ message: String) -> StoreError {
        StoreError(
            .corrupt, operation: "read the log", path: catalog.path(entry.first), message: message,
            hint: "keep the file, and reseed this node from its peer")
    }
}
