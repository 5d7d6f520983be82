import Synchronization

/// What everybody outside the commit thread may know of the node: published as one value.
///
/// It is also the JSON of `/status` and of `sanadctl status --json`: a contract. Fields are added,
/// never renamed; readers ignore what they do not know. Written out in `docs/formats/status.md`.
public struct NodeStatus: Sendable, Codable, Equatable {
    public struct PositionStatus: Sendable, Codable, Equatable {
        public var epoch: UInt64
        public var sequence: UInt64
        /// 64 hexadecimal digits; empty when only the sequence is known.
        public var hash: String

        public init(epoch: UInt64, sequence: UInt64, hash: String) {
            self.epoch = epoch
            self.sequence = sequence
            self.hash = hash
        }
    }

    /// How far the standby is behind the primary. Every figure is nil when it is not known, which
    /// is never the same as zero.
    public struct LagStatus: Sendable, Codable, Equatable {
        public var transactions: UInt64?
        public var bytes: UInt64?
        /// By the primary's own clock.
        public var seconds: Double?

        public init(transactions: UInt64?, bytes: UInt64?, seconds: Double?) {
            self.transactions = transactions
            self.bytes = bytes
            self.seconds = seconds
        }
    }

    public struct LinkStatus: Sendable, Codable, Equatable {
        public var connected = false
        public var peer = ""
        /// `none`, `probing`, `catching-up` or `streaming`.
        public var state = "none"
        public var plainBytesSent: UInt64 = 0
        public var wireBytesSent: UInt64 = 0
        public var plainBytesReceived: UInt64 = 0
        public var wireBytesReceived: UInt64 = 0
        public var connectionsTotal: UInt64 = 0
        /// Connections refused, by us or by the peer, since start.
        public var refusalsTotal: UInt64 = 0
        public var lastError: String?
        /// What the standby has: received, durable, applied (sequences). Nil while unknown.
        public var peerReceived: UInt64?
        public var peerDurable: UInt64?
        public var peerApplied: UInt64?

        public init() {}
    }

    /// A snapshot that this node takes from its primary.
    public struct SeedingStatus: Sendable, Codable, Equatable {
        public var records: UInt64
        public var bytes: UInt64

        public init(records: UInt64, bytes: UInt64) {
            self.records = records
            self.bytes = bytes
        }
    }

    public var version = 1
    public var cluster = ""
    public var node = ""
    public var store = ""
    public var softwareVersion = ""
    /// `starting`, `unconfirmed`, `standby`, `primary` or `stopped`.
    public var role = "starting"
    public var epoch: UInt64 = 0
    /// The primary that the cluster record names; nil when none was chosen yet.
    public var primary: String?
    public var primaryURL: String?
    /// Version of the cluster record and the nodes in sync by it.
    public var recordVersion: UInt64 = 0
    public var inSync: [String] = []
    /// `sync` or `async`.
    public var replicationMode = "sync"
    /// True while this node may acknowledge writes (primary, and lease valid or not needed).
    public var writable = false
    /// Primary without the right to acknowledge; the reason is for people.
    public var fenced = false
    public var fenceReason: String?
    /// Monotonic nanoseconds at which the lease ends; nil when none is held. For `writable`, ask
    /// `StatusBoard.isWritable(now:)`, which compares it with the clock.
    public var leaseExpiresNanoseconds: UInt64?
    public var leaseNeeded = false
    public var failoverMode = "automatic"
    public var logEnd = PositionStatus(epoch: 0, sequence: 0, hash: "")
    public var logEndBytes: UInt64 = 0
    public var committed: UInt64 = 0
    public var applied: UInt64 = 0
    public var link = LinkStatus()
    public var lag = LagStatus(transactions: nil, bytes: nil, seconds: nil)
    /// Monotonic nanoseconds of the last sign of life from the peer; nil before the first.
    public var peerHeardNanoseconds: UInt64?
    /// Promotions and take-overs of the role since start.
    public var roleChangesTotal: UInt64 = 0
    /// Time from the last heartbeat of the old primary to this node's promotion, when it did.
    public var lastPromotionSeconds: Double?
    public var commitsTotal: UInt64 = 0
    public var transactionsTotal: UInt64 = 0
    public var commitQueueRequests: Int = 0
    /// Monotonic nanoseconds of the commit thread's last round: `/livez` looks at its age.
    public var tickNanoseconds: UInt64 = 0
    /// A store problem that bars this node from serving or from promotion; nil when all is well.
    public var storeProblem: String?
    /// Bytes of sealed log that were read again since the start and found sound.
    public var logVerifiedBytes: UInt64?
    /// When all sealed log was last found sound, seconds since 1970; nil before the first time.
    public var logVerifiedUnixSeconds: Int64?
    public var quarantineEntries = 0
    /// `none`, or `present` for a witness or etcd.
    public var arbiter = "none"
    /// Whether the arbiter answered within the last lease; nil without one.
    public var arbiterReachable: Bool?
    public var arbiterProblem: String?
    /// Seconds until a pause of automatic failover ends; nil when there is none.
    public var failoverPausedSeconds: Double?
    /// Why an operator fenced this node; nil when it is not fenced.
    public var operatorFence: String?
    /// Two primaries met and the operator has not chosen; what was found.
    public var conflict: String?
    /// An operator let this primary act without a lease.
    public var runsAlone = false
    /// False while a repair or a snapshot is under way: the records are not those of one moment.
    public var consistent = true
    /// True when all that the records lack to be those of one moment is in the log, and waits until
    /// it is known as committed; nil otherwise.
    public var waitsForCommit: Bool?
    public var seeding: SeedingStatus?
    /// Log bytes that may still be written before the standby loses its place; nil when no standby
    /// is waited for.
    public var bytesUntilLost: UInt64?
    /// Expiry of the node's certificate, seconds since 1970.
    public var certificateExpiresUnixSeconds: Int64?
    public var diskFreeBytes: UInt64?

    public init() {}
}

/// The published status: written by the commit thread, read by everybody.
public final class StatusBoard: Sendable {
    private let status = Mutex(NodeStatus())

    public init() {}

    public var current: NodeStatus { status.withLock { $0 } }

    public func publish(_ new: NodeStatus) { status.withLock { $0 = new } }

    /// Changes single fields in place; for facts that the commit thread does not own.
    public func update(_ change: (inout NodeStatus) -> Void) { status.withLock { change(&$0) } }
}
