internal import SanadCore
internal import Synchronization

/// Reads the rows of many names over several connections at once.
///
/// Names that a tail has changed lie anywhere in a table. Where the system's cache does not hold
/// their pages, one reader waits for one read of the disk after the other; a disk serves several in
/// the same time.
final class RowReaders: Sendable {
    private let path: String
    private let cores: [TakingTurns<SnapshotReaderCore>]

    /// What the threads of one call have read, by the number of their share.
    private final class Answers: Sendable {
        let pages = Mutex<[Int: Result<RecordPage, StoreError>]>([:])
    }

    init(path: String, options: StoreOptions) throws(StoreError) {
        var cores: [TakingTurns<SnapshotReaderCore>] = []
        for _ in 0..<Limits.rowReaders {
            cores.append(
                TakingTurns(
                    try SnapshotReaderCore(path: path, options: options, cacheKibibytes: 512)))
        }
        self.cores = cores
        self.path = path
    }

    /// The rows of names that ascend.
    ///
    /// - Returns: nil when one reader has to do it: a flush came between, so that they were not read
    ///   as of one position; or they do not fit a page, and most would be read in vain.
    func rows(_ names: [[UInt8]]) throws(StoreError) -> RecordPage? {
        let size = max(1, (names.count + cores.count - 1) / cores.count)
        let shares = stride(from: 0, to: names.count, by: size).map {
            Array(names[$0..<min($0 + size, names.count)])
        }
        let bytes = Limits.recordPageBytesTarget / cores.count
        let answers = Answers()
        var threads: [WorkerThread] = []
        for (number, share) in shares.enumerated() {
            let core = cores[number]
            guard
                let thread = try? WorkerThread(
                    niceness: Limits.tableNiceness,
                    {
                        let answer = Result { () throws(StoreError) in
                            try core.use { core throws(StoreError) in
                                try core.rows(share, maximumBytes: bytes)
                            }
                        }
                        answers.pages.withLock { $0[number] = answer }
                    })
            else { break }
            threads.append(thread)
        }
        for thread in threads { thread.join() }
        let read = answers.pages.withLock { $0 }
        return try joined(shares, read)
    }

    /// One page of the answers to all shares; nil when one reader has to do it.
    func joined(
        _ shares: [[[UInt8]]], _ answers: [Int: Result<RecordPage, StoreError>]
    ) throws(StoreError) -> RecordPage? {
        var builder = RecordPageBuilder(.names, after: [], capacity: 256 << 10)
        var position: Position?
        for (number, share) in shares.enumerated() {
            guard let page = try answers[number]?.get(), page.rowCount == share.count,
                page.position == position ?? page.position
            else { return nil }
            position = page.position
            try page.forEachRow { row throws(StoreError) in
                builder.append(
                    name: row.name, sequence: row.sequence, checksum: row.checksum,
                    value: row.value)
            }
        }
        // The last row of each share may be a large one.
        guard let position, builder.byteCount <= Limits.recordPageBytesTarget else { return nil }
        return try SnapshotReaderCore.checked(
            builder.finish(position: position, isLast: false), path: path)
    }
}
