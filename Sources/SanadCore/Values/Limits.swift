/// Every bound of the system, in one place, each with its reason.
public enum Limits {
    // Records.

    /// A collection's name: `[a-z][a-z0-9_-]{0,62}`; a length that fits one byte.
    public static let collectionBytesMaximum = 63
    /// A key: long enough for a path of identifiers, short enough for an index page.
    public static let keyBytesMaximum = 512
    /// A value: a record, not a file.
    public static let valueBytesMaximum = 1 << 20
    /// Mutations of one transaction.
    public static let transactionMutationsMaximum = 10_000
    /// Mutations of one transaction in the log: an `Idempotency-Key` adds up to three.
    public static let logTransactionMutationsMaximum = transactionMutationsMaximum + 3
    /// The encoded bytes of one transaction: half a frame, so that any one transaction fits.
    public static let transactionBytesMaximum = 8 << 20
    /// Conditions of one transaction.
    public static let transactionConditionsMaximum = 1_000
    /// JSON nesting: the scanner keeps one bit a level, and nobody reads deeper.
    public static let jsonDepthMaximum = 512
    /// An `Idempotency-Key` header.
    public static let idempotencyKeyBytesMaximum = 128

    /// Transactions for which an `Idempotency-Key` is remembered, at least; also the largest number
    /// of keys in the table.
    public static let idempotencyTransactionsMinimum = 1 << 20

    // Log.

    /// Bytes that a group commit gathers before it closes the frame, unless one transaction alone
    /// is larger. One mebibyte already runs at the disk's full rate.
    public static let frameBytesTarget = 1 << 20
    /// The largest frame that is read back or taken from the peer.
    public static let frameBytesMaximum = 16 << 20
    /// A segment is sealed at this size.
    public static let segmentBytesTarget = 64 << 20
    /// Frames of one append transaction on the standby: bounds the time without an answer.
    public static let appendBatchBytesMaximum = 4 << 20

    /// Log that is read again each second to find damage: a disk does not notice, and hashing it is
    /// less than one per cent of a core.
    public static let scrubBytesPerSecond = 2 << 20
    /// The pause after all sealed log was read: damage is found within days, not within years.
    public static let scrubInterval = Span.seconds(86_400)

    // Record table.

    /// Committed bytes that are not yet in the record table, before writes wait (default).
    public static let memtableBytesDefault = 64 << 20
    /// Bytes of frames that wait in memory for the table; what is beyond is read from the log.
    public static let applierBytesMaximum = 16 << 20
    /// Rows of one page of a list.
    public static let listRowsMaximum = 1_000
    public static let listRowsDefault = 100

    /// Collection, separator and key: a record's name as the table and a page of rows have it.
    public static let recordNameBytesMaximum = collectionBytesMaximum + 1 + keyBytesMaximum

    // Repair and reseed.

    /// Bytes of one page of rows from a primary's table, before its last row: one transaction of
    /// the loading side, large enough that its fixed cost does not show.
    public static let recordPageBytesTarget = 4 << 20
    /// A page of rows that is taken from the peer: the target, and any one row more.
    public static let recordPageBytesMaximum = 8 << 20
    /// Names of one fetch while a table is repaired: one read transaction on the primary.
    public static let repairNamesMaximum = 4_096
    /// Connections that read the rows of a fetch at once: as many reads as a disk serves well.
    public static let rowReaders = 8
    /// Bytes of fetched rows that share one sync, with the page that reaches them: what a
    /// crash has fetched again at most.
    public static let repairSyncBytes = 4 << 20
    /// Bytes of rows loaded or replaced, or of frames copied to quarantine, before they are moved from
    /// the WAL into the file. With what pages add to it, below the size to which the WAL is cut: it
    /// is overwritten, not made anew.
    public static let loadCheckpointBytes = 48 << 20
    /// Bytes of rows loaded in one transaction where the table has no WAL: some syncs for each, and
    /// what a crash takes back at most. All but those that fit SQLite's cache, 8 MiB, are on their way
    /// to the disk by the time of the sync.
    public static let loadTransactionBytes = 64 << 20
    /// A loaded page is made durable with the first one that ends this much later, or when none comes
    /// for as long: with what a transaction costs, some 2 % of a load.
    public static let loadDurableSpan = Span.milliseconds(500)

    // Link.

    /// Bytes sent and not yet acknowledged as durable: 1 Gbit/s over 10 ms needs 1.25 MB, and the
    /// rest covers a slow fsync.
    public static let windowBytesDefault = 16 << 20
    /// Log bytes that the standby may be behind in applying before the primary sends no more:
    /// bounds the time that a promotion waits for the table.
    public static let applyLagBytesMaximum = 128 << 20
    /// The same for a standby that is not in sync: it is not promoted by itself, so nobody waits for
    /// its table, and all that counts is that the log gets there. An operator who promotes it
    /// waits some seconds.
    public static let applyLagOutOfSyncBytesMaximum = 640 << 20
    /// Log bytes that a standby in sync may leave unapplied while more log is coming in.
    public static let applyDeferralBytesMaximum: UInt64 = 64 << 20
    /// The same for a standby that is not in sync; below what the primary's bound allows, so that
    /// the log does not stop.
    public static let applyDeferralOutOfSyncBytesMaximum: UInt64 = 512 << 20
    /// A standby that knows of log which has not arrived waits this long for it before it applies.
    public static let nextFrameWait = Span.milliseconds(50)
    /// A frame travels in pieces of this size, so that a heartbeat waits for one piece at most.
    public static let chunkBytesMaximum = 128 << 10
    /// One message, its header included.
    public static let messageBytesMaximum = 256 << 10
    /// The epoch history of a handshake; one entry a taking of the role.
    public static let historyEntriesMaximum = 1_000
    /// Bytes of one read of the log while a standby catches up.
    public static let catchUpReadBytes = 2 << 20
    /// Bytes of one read of the log's background verification: whoever removes or cuts log waits for
    /// one of them at most.
    public static let scrubReadBytes = 128 << 10
    /// Waiting messages towards the peer, beside frames.
    public static let controlQueueMessagesMaximum = 1_024
    /// Records that one message asks for: their longest names fit a message.
    public static let fetchNamesMaximum = 400
    /// Bytes of one page of a snapshot: a fraction of a second of either disk.
    public static let seedPageBytes = 1 << 20
    /// Time that the reader of a snapshot waits for the table's flush; rows are then older.
    public static let snapshotFlushTimeout = Span.seconds(5)
    /// Pages of a snapshot under way at once: while the loading side commits a transaction, or does
    /// not get a processor, the next pages travel.
    public static let pagesInFlightMaximum = 8
    /// Niceness of the threads that write the record table and read it for the peer: writes that
    /// clients wait for come first.
    public static let tableNiceness: Int32 = 10
    /// Niceness of the thread that loads a snapshot, for a host that carries other work as well: a
    /// standby alone does nothing else. Measured where two processors carried both sites and eight
    /// clients: with 0 writers kept 63 % of their rate; with 2 they kept some 80 %, and the load took
    /// a seventh longer.
    public static let loadNiceness: Int32 = 2
    /// Bytes of pages that are compressed and encrypted in one go: a write that comes meanwhile waits
    /// for them, half a millisecond or so.
    public static let seedFlushBytes = 256 << 10
    /// Time for TCP, TLS and the handshake together.
    public static let handshakeTimeout = Span.seconds(5)
    /// Reconnection: first wait, doubled up to the last, each with up to half of it more. The last
    /// one is short enough that a link which heals is found again within a lease.
    public static let reconnectFirst = Span.milliseconds(100)
    public static let reconnectLast = Span.seconds(1)
    /// A link that stood for longer was not refused: the next one is dialled without a wait, and
    /// after it the first wait comes again.
    public static let linkStandsAfter = Span.seconds(1)
    /// Connections that are in a TLS handshake at once; a stranger cannot take more.
    public static let pendingHandshakesMaximum = 8

    /// A refused connection is said in the log once in this time, for each reason and address.
    public static let refusalSpacing = Span.seconds(60)
    /// Reasons and addresses that are remembered for it; what comes beyond is said together.
    public static let refusalNotesMaximum = 64

    // Retention.

    /// How often the log's size and age are looked at.
    public static let retentionInterval = Span.seconds(5)

    // Failover.

    /// The longest wait of a granter; a witness that has started waits this long at most.
    public static let grantWaitMaximum = Span.seconds(70)
    /// An arbiter's answer that takes longer is asked for again.
    public static let arbiterPatience = Span.seconds(1)
    /// TCP, TLS and the handshake with the witness; while they go on no question can fail.
    public static let arbiterConnectTimeout = arbiterPatience * 2
    /// A witness that owes an answer for this long is dialled anew: its host may be gone, and TCP
    /// would notice that only after ten seconds.
    public static let arbiterSilenceMaximum = arbiterPatience * 3
    /// How far the committed mark in `witness.db` may be behind: each write of it is an fsync.
    public static let witnessMarkInterval = Span.seconds(10)
    /// Bytes of an answer of etcd that are read: three small keys, or an error's text.
    public static let etcdAnswerBytesMaximum = 64 << 10
    /// Transactions of one question to etcd: each failed one has shown what changed in between.
    public static let etcdRoundsMaximum = 4
    /// How long a switchover may hold writes back until the standby has all of them.
    public static let drainTimeout = Span.seconds(5)
    /// How long a primary that handed over waits for the arbiter to take its lease back.
    public static let releaseTimeout = Span.milliseconds(300)
    /// How long it waits for the standby to lead before it asks for the role again.
    public static let handOverTimeout = Span.seconds(2)
    /// An operator's command is answered within this, whatever its outcome.
    public static let commandTimeout = Span.seconds(20)
    /// The longest pause of automatic promotion: a forgotten one must end by itself, whatever a wall
    /// clock did meanwhile.
    public static let pauseMaximum = Span.seconds(86_400)
    /// Samples of the primary's clock, by which it tells how many seconds the standby is behind: at
    /// the normal spacing about a minute and a half; beyond it every second sample goes.
    public static let lagSamplesMaximum = 4_096
    /// A promotion that the veto command stopped is asked about again after this.
    public static let vetoPause = Span.seconds(10)

    // Operations API.

    /// Open connections of probes and scrapers, which are few.
    public static let operationsConnectionsMaximum = 256
    /// A connection on which no whole request has come for so long is closed, silent or slow: while
    /// strangers hold all places, a probe gets one within this.
    public static let operationsRequestTimeout = Span.seconds(5)

    // Hooks.

    /// Changes of the role that wait for the operator's program: more than this come only from a
    /// role that changes faster than the program runs, and the newest ones matter.
    public static let hookEventsMaximum = 16
    /// Output of a program that is kept: more is nobody's reason.
    public static let hookOutputBytesMaximum = 64 << 10
    /// A program's reason that goes into the log and the status.
    public static let hookLineBytesMaximum = 400

    // Audit trail.

    /// A reason is kept in the audit trail and in the epoch's history, and an actor's name with it.
    public static let reasonBytesMaximum = 255
    public static let actorBytesMaximum = 64

    /// Entries that are kept; the oldest go first. Years of operators' commands, some megabytes.
    public static let auditEntriesMaximum: UInt64 = 100_000
    /// The newest of them that `history` shows.
    public static let auditEntriesShown = 100

    // Records API.

    /// Write requests that wait for the commit thread: more get 503 and `Retry-After`.
    public static let commitQueueRequestsDefault = 8_192
    /// Bytes of the same queue.
    public static let commitQueueBytesMaximum = 64 << 20
    /// Time that a write may wait for its durability before it is answered "outcome unknown".
    public static let writeTimeout = Span.seconds(10)
    /// Time that a read waits for `min_position`.
    public static let readWaitTimeout = Span.seconds(5)
    /// Open client connections.
    public static let clientConnectionsMaximum = 4_096
    /// A client that sends nothing for this long in the middle of a request is cut off.
    public static let requestIdleTimeout = Span.seconds(10)
    /// A whole request other than a stream (bulk) must arrive within this.
    public static let requestTotalTimeout = Span.seconds(30)
    /// An idle keep-alive connection is closed after this.
    public static let keepAliveTimeout = Span.seconds(120)
    /// Lines of one bulk transaction, and their bytes.
    public static let bulkTransactionLinesMaximum = 1_000
    public static let bulkTransactionBytesMaximum = 256 << 10
    /// Bulk transactions of one request that are under way at once.
    public static let bulkTransactionsInFlightMaximum = 32
    /// A read transaction on the record table ends after this, so that its file can be reclaimed.
    public static let readTransactionMaximum = Span.seconds(30)
    /// An export whose client takes nothing for this long is given up: it holds one of few threads.
    public static let exportIdleTimeout = Span.seconds(30)

    // Start and stop.

    /// A process that puts itself in the place of another, to begin with a new store or behind what
    /// was loaded, does so at most once in this time: as systemd does after a crash.
    public static let startSpacing = Span.seconds(1)
    /// A standby that stops waits this long to be let go by its primary.
    public static let leaveTimeout = Span.seconds(1)
    /// A graceful stop that has not finished by then ends at once; the log needs no clean-up.
    public static let stopTimeout = Span.seconds(10)
}
