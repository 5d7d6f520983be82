public import SanadCore

/// What emptying a store that no process has open puts at stake, as far as its own files say.
public struct ReseedStake: Sendable {
    public var identity: StoreIdentity
    /// The last cluster record that this node saw; nil when it never saw one.
    public var record: ClusterRecord?
    /// Nil when the log is empty, or its newest file cannot be read.
    public var logEnd: Position?

    /// Why the store must not be emptied without a person's word that a loss is accepted; nil when
    /// another store has everything that was acknowledged.
    public var danger: String? {
        guard let record else { return nil }
        if record.primary == identity.node {
            return "the cluster's record of epoch \(record.epoch) names this node, "
                + "\(identity.node), primary: it may have writes that no other node has"
        }
        if record.inSync == [identity] {
            return "the cluster's record of epoch \(record.epoch) names this store alone in sync: "
                + "acknowledged writes may be nowhere else"
        }
        return nil
    }

    /// Sentences for a person under stress, and for the audit trail.
    public var lines: [String] {
        var lines = [
            logEnd.map { "this store's log ends at \($0)" }
                ?? "where this store's log ends cannot be read"
        ]
        if let record {
            let members = record.inSync.map(\.node.text).sorted().joined(separator: ", ")
            lines.append(
                "the last record that this node saw, of epoch \(record.epoch): primary "
                    + "\(record.primary?.text ?? "nobody"), in sync "
                    + (members.isEmpty ? "nobody" : members))
        } else {
            lines.append("this node never saw a record of its cluster")
        }
        if let danger { lines.append(danger) }
        return lines
    }
}

extension ReseedStake {
    /// - Throws: `.corrupt` when `node.db` says nothing of who this is.
    init(_ database: NodeDatabase, directory: String) throws(StoreError) {
        identity = try database.identity()
        record = try database.clusterRecord()
        logEnd = Self.logEnd(directory + "/segments")
    }

    /// The end of a log that may be damaged: a reading that fails is an answer too.
    private static func logEnd(_ directory: String) -> Position? {
        guard let entries = try? SegmentCatalog.entries(in: directory) else { return nil }
        let catalog = SegmentCatalog(directory: directory, vfs: nil)
        catalog.replace(with: entries)
        let end = try? LogReaderCore(catalog: catalog).boundary(
            atOrBefore: Sequence(UInt64(Int64.max)))
        return end.flatMap(\.self)
    }
}
