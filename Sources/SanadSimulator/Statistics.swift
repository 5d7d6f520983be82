/// What happened in a world, or in many.
public struct Statistics: Sendable, Equatable {
    public var worlds = 0
    public var events = 0
    /// Inputs that the core was given.
    public var steps = 0
    /// Begun reigns, of every kind.
    public var reigns = 0
    /// Reigns of another node than the one before, whatever the reason.
    public var failovers = 0
    public var promotionsAutomatic = 0
    public var promotionsBySwitchover = 0
    public var promotionsByOperator = 0
    public var restartsByArbiter = 0
    public var restartsByPeer = 0
    /// Reigns that an operator began in spite of a loss, or without anybody's word.
    public var overrides = 0
    public var roleChanges = 0
    public var degrades = 0
    public var joins = 0
    public var switchoversAsked = 0
    public var conflicts = 0
    public var rejoins = 0
    public var seeds = 0
    /// Crashes that took back pages which had been loaded.
    public var loadsTakenBack = 0
    public var snapshots = 0
    public var repairs = 0
    public var recordsFetched = 0
    /// Fetched rows that were older than the table they were for.
    public var staleRows = 0
    /// Reigns that began before the log that ends the repair was applied.
    public var reignsDuringRepair = 0
    public var storesEmptied = 0
    public var storesLost = 0
    public var storesRestored = 0
    public var arbiterStoresLost = 0
    public var arbiterCrashes = 0
    public var crashes = 0
    public var crashesInStep = 0
    public var pauses = 0
    public var partitions = 0
    public var resets = 0
    public var stops = 0
    public var storeFailures = 0
    public var trims = 0
    public var commands = 0
    public var commits = 0
    public var acknowledgedBothSites = 0
    public var acknowledgedOneSite = 0
    /// Transactions that an automatic promotion lacked, within `failover.max_loss`.
    public var lossesAllowed = 0
    /// Acknowledged transactions that are not in the history that stayed.
    public var acknowledgedLost = 0
    public var quarantined = 0
    public var tableChecks = 0
    /// Reigns in which a primary could answer readers for everything that was acknowledged.
    public var primaryWords = 0
    /// Moments at which an override had made two primaries.
    public var momentsWithTwoPrimaries = 0
    /// Promotions that the operator of a healed cluster had to make.
    public var rescues = 0
    /// Longest time from the end of the faults until both sites were one cluster, in seconds.
    public var healingSecondsMaximum = 0

    public init() {}

    /// Each figure with its name, in order.
    public static var figures: [(name: String, path: WritableKeyPath<Statistics, Int>)] {
        [
            ("worlds", \.worlds), ("events", \.events), ("steps of the core", \.steps),
            ("reigns", \.reigns), ("failovers", \.failovers),
            ("promotions, automatic", \.promotionsAutomatic),
            ("promotions, switchover", \.promotionsBySwitchover),
            ("promotions, operator", \.promotionsByOperator),
            ("restarts by the arbiter's word", \.restartsByArbiter),
            ("restarts by the peer's word", \.restartsByPeer),
            ("overrides", \.overrides), ("role changes", \.roleChanges),
            ("degrades", \.degrades), ("joins", \.joins),
            ("switchovers asked for", \.switchoversAsked), ("conflicts", \.conflicts),
            ("rejoins", \.rejoins), ("seeds", \.seeds),
            ("loads taken back by a crash", \.loadsTakenBack), ("snapshots", \.snapshots),
            ("repairs finished", \.repairs), ("records fetched", \.recordsFetched),
            ("fetches of older rows", \.staleRows),
            ("reigns before the end of a repair", \.reignsDuringRepair),
            ("stores emptied", \.storesEmptied), ("stores lost", \.storesLost),
            ("stores restored from an older copy", \.storesRestored),
            ("arbiter's stores lost", \.arbiterStoresLost),
            ("arbiter's crashes", \.arbiterCrashes), ("crashes", \.crashes),
            ("crashes in the middle of a step", \.crashesInStep), ("pauses", \.pauses),
            ("partitions", \.partitions), ("connections reset", \.resets), ("stops", \.stops),
            ("store failures", \.storeFailures), ("log trims", \.trims),
            ("operators' commands", \.commands), ("commits", \.commits),
            ("acknowledged, both sites", \.acknowledgedBothSites),
            ("acknowledged, one site", \.acknowledgedOneSite),
            ("transactions lost within max_loss", \.lossesAllowed),
            ("acknowledged by one site or overridden, and cut off", \.acknowledgedLost),
            ("transactions in quarantine", \.quarantined), ("table checks", \.tableChecks),
            ("primary's words", \.primaryWords),
            ("moments with two primaries by override", \.momentsWithTwoPrimaries),
            ("rescues after healing", \.rescues),
            ("longest healing, seconds", \.healingSecondsMaximum),
        ]
    }

    /// Adds another world's figures.
    public mutating func add(_ other: Statistics) {
        for (_, path) in Self.figures { self[keyPath: path] += other[keyPath: path] }
        healingSecondsMaximum = max(
            healingSecondsMaximum - other.healingSecondsMaximum, other.healingSecondsMaximum)
    }
}
