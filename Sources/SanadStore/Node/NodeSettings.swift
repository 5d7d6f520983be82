public import SanadCore

/// Automatic failover is off for a time that an operator chose.
public struct FailoverPause: Hashable, Sendable {
    /// Milliseconds since 1970, on this host's wall clock.
    public var untilWallMilliseconds: UInt64
    public var reason: String

    public init(untilWallMilliseconds: UInt64, reason: String) {
        self.untilWallMilliseconds = untilWallMilliseconds
        self.reason = reason
    }
}

/// What an operator said and a restart must not forget.
extension NodeDatabase {
    private static let fenceName = "fence"
    private static let epochName = "epoch_asked"
    private static let conflictName = "conflict"
    private static let standbySequenceName = "standby_durable"
    private static let standbyOffsetName = "standby_durable_offset"
    private static let pauseReasonName = "pause_reason"
    private static let pauseUntilName = "pause_until_wall_ms"

    /// Why this node takes no role until the fence is lifted; nil when it is not fenced.
    public func fence() throws(StoreError) -> String? { try setting(Self.fenceName) }

    /// Fences the node, or lifts the fence with nil.
    public func setFence(_ reason: String?) throws(StoreError) {
        try write { () throws(StoreError) in try save(Self.fenceName, reason) }
    }

    /// The highest epoch that this node ever asked for; zero when it asked for none.
    public func epochAsked() throws(StoreError) -> Epoch {
        guard let text = try setting(Self.epochName) else { return .zero }
        guard let value = UInt64(text) else { throw damaged("\(text) is not an epoch") }
        return Epoch(value)
    }

    /// Remembers an epoch before it is asked for.
    public func setEpochAsked(_ epoch: Epoch) throws(StoreError) {
        try write { () throws(StoreError) in try save(Self.epochName, String(epoch.value)) }
    }

    /// What was found when this node met a second primary; nil when the operator has chosen.
    public func conflict() throws(StoreError) -> String? { try setting(Self.conflictName) }

    /// Remembers a conflict, or forgets it with nil.
    public func setConflict(_ problem: String?) throws(StoreError) {
        try write { () throws(StoreError) in try save(Self.conflictName, problem) }
    }

    /// How far the standby was durable when this node, as primary, last remembered it.
    public func standbyMark() throws(StoreError) -> Replica.StandbyMark? {
        guard let sequence = try setting(Self.standbySequenceName),
            let offset = try setting(Self.standbyOffsetName)
        else { return nil }
        guard let sequence = UInt64(sequence), let offset = UInt64(offset) else {
            throw damaged("\(sequence), \(offset) is not a place in the log")
        }
        return Replica.StandbyMark(durable: Sequence(sequence), offset: offset)
    }

    public func setStandbyMark(_ mark: Replica.StandbyMark) throws(StoreError) {
        try write { () throws(StoreError) in
            try save(Self.standbySequenceName, String(mark.durable.value))
            try save(Self.standbyOffsetName, String(mark.offset))
        }
    }

    /// The pause that was last set; it may lie in the past. Nil when there is none.
    public func pause() throws(StoreError) -> FailoverPause? {
        guard let until = try setting(Self.pauseUntilName),
            let reason = try setting(Self.pauseReasonName)
        else { return nil }
        guard let milliseconds = UInt64(until) else { throw damaged("\(until) is not a time") }
        return FailoverPause(untilWallMilliseconds: milliseconds, reason: reason)
    }

    /// Sets the pause, or ends it with nil.
    public func setPause(_ pause: FailoverPause?) throws(StoreError) {
        try write { () throws(StoreError) in
            try save(Self.pauseUntilName, pause.map { String($0.untilWallMilliseconds) })
            try save(Self.pauseReasonName, pause?.reason)
        }
    }

    private func setting(_ name: String) throws(StoreError) -> String? {
        let statement = try connection.prepare("SELECT value FROM settings WHERE name = ?")
        defer { statement.reset() }
        statement.bind(1, text: name)
        return try statement.step() ? statement.text(0) : nil
    }

    /// Call it inside `write`.
    private func save(_ name: String, _ value: String?) throws(StoreError) {
        let statement = try connection.prepare(
            value == nil
                ? "DELETE FROM settings WHERE name = ?1"
                : "INSERT OR REPLACE INTO settings VALUES (?1, ?2)")
        statement.bind(1, text: name)
        if let value { statement.bind(2, text: value) }
        try statement.run()
    }
}

extension EpochEntry {
    /// The column `is_override` of a reign that an operator's override began.
    var storedOverride: UInt64 { isOverride ? 1 : 0 }

    /// Takes the column `is_override`.
    mutating func takeStoredOverride(_ column: UInt64) { isOverride = column != 0 }
}
