public import SanadCore

/// What a store may use.
public struct StoreOptions: Sendable {
    /// Committed bytes that wait in memory for the record table before `insert` refuses more.
    public var memtableBytes = Limits.memtableBytesDefault
    /// A segment is sealed at this size.
    public var segmentBytesTarget = Limits.segmentBytesTarget
    /// An export that takes longer ends with `.snapshotExpired`, so that the WAL of the record
    /// table can be used again.
    public var readTransactionMaximum = Limits.readTransactionMaximum
    /// The memtable is flushed when nothing was inserted for this long.
    public var flushIdle = Span.seconds(1)
    /// The memtable is flushed when its oldest entry has this age.
    public var flushAge = Span.seconds(30)
    /// Page cache of the connection that writes the record table.
    public var tableCacheKibibytes = 8 << 10

    /// Page size of new segments for small appends, in bytes: each rewrites a page.
    var segmentPageBytes = 8_192
    /// Page size of new segments for large appends, in bytes: each costs two or three system calls
    /// a page.
    var segmentLargePageBytes = 32_768
    /// An append of this many bytes, and more, is a large one: bulk imports, and catching up.
    var segmentLargeAppendBytes = 512 << 10
    /// An append of fewer bytes is a small one. What lies between goes well with either page size.
    var segmentSmallAppendBytes = 128 << 10
    /// The active segment's WAL is moved into its file when it holds this many bytes.
    var segmentCheckpointBytes = 8 << 20
    /// Page size of a new record table, in bytes.
    var tablePageBytes = 16_384
    /// A generation with at most this many rows goes straight into the merged table, when there is
    /// no run: a quiet node never has one.
    var directRowsMaximum = 10_000
    /// Rows of one piece of a merge.
    var mergeRowsMaximum = 20_000
    /// The SQLite VFS to use, for tests that make it fail.
    var vfs: String?
    /// Called before each step of a plan, for tests that end the process there.
    var beforeStep: @Sendable () -> Void = {}

    public init() {}
}
