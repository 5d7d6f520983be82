/// The cluster's state: one small versioned value, changed only by compare-and-set on its version.
///
/// With the arbiter `none` it lives with both nodes; a change that takes a power away from a node
/// is durable at that node before it takes effect anywhere.
public struct ClusterRecord: Hashable, Sendable {
    public var cluster: Identifier
    /// Grows by one with each change; zero is "nothing was ever agreed".
    public var version: UInt64
    public var epoch: Epoch
    /// Nil until the first primary is chosen.
    public var primary: NodeName?
    /// The stores that hold everything acknowledged; in byte order of the node's name.
    public var inSync: [StoreIdentity]
    /// Log position at which this record was made.
    public var since: Position

    public init(
        cluster: Identifier, version: UInt64, epoch: Epoch, primary: NodeName?,
        inSync: [StoreIdentity], since: Position
    ) {
        self.cluster = cluster
        self.version = version
        self.epoch = epoch
        self.primary = primary
        self.inSync = inSync.sorted { $0.node < $1.node }
        self.since = since
    }

    /// The record of a cluster in which nothing happened yet.
    public static func initial(cluster: Identifier) -> ClusterRecord {
        ClusterRecord(
            cluster: cluster, version: 0, epoch: .zero, primary: nil, inSync: [], since: .origin)
    }

    public func isInSync(_ store: StoreIdentity) -> Bool { inSync.contains(store) }

    /// Of two records the one of the later reign is the newer, and within a reign the one of the
    /// higher version.
    ///
    /// The version alone does not tell: a change that an arbiter accepts late, after the reign that
    /// asked for it, can have the version of a record that the two nodes have agreed on since.
    public func isNewer(than other: ClusterRecord) -> Bool {
        (epoch, version) > (other.epoch, other.version)
    }
}

/// One reign, as each node remembers it.
public struct EpochEntry: Hashable, Sendable {
    public var epoch: Epoch
    public var node: NodeName
    /// The log's end before the epoch's first frame.
    public var begins: Position
    /// The position of the epoch's first frame: names the reign uniquely.
    public var start: Position
    /// Wall clock, milliseconds since 1970; for people.
    public var wallMilliseconds: UInt64
    /// At most 255 bytes of UTF-8.
    public var reason: String
    /// An operator gave the role without anybody's word, or in spite of a loss.
    public var isOverride: Bool

    public init(
        epoch: Epoch, node: NodeName, begins: Position, start: Position, wallMilliseconds: UInt64,
        reason: String, isOverride: Bool = false
    ) {
        self.epoch = epoch
        self.node = node
        self.begins = begins
        self.start = start
        self.wallMilliseconds = wallMilliseconds
        self.reason = reason
        self.isOverride = isOverride
    }
}
