/// The run tables of `records.db`: each holds one flushed generation, sorted, until it is merged
/// into `records`.
///
/// A generation of random keys touches nearly every page of a large table. Written as a run of its
/// own it is one sequential write, and several runs are merged in one pass when the disk is quiet.
/// This is the log-structured merge of P. O'Neil et al., "The log-structured merge-tree", Acta
/// Informatica 33, 1996, with one level of runs. Of several rows with one name the one with the
/// highest sequence counts; a row whose value is NULL says that the record is deleted.
enum RunTables {
    /// Runs that can wait: each makes a read that is not answered from memory look once more.
    static let count = 16

    static func name(_ slot: Int) -> String { "run\(slot)" }

    /// All tables that hold rows, the merged one first.
    private static let all = ["records"] + (0..<count).map(name)

    static let schema = (0..<count).map { slot in
        """
        CREATE TABLE \(name(slot)) (
            name TEXT PRIMARY KEY COLLATE BINARY, sequence INTEGER NOT NULL,
            checksum INTEGER NOT NULL, value BLOB) STRICT, WITHOUT ROWID;
        """
    }.joined()

    /// The rows of one name, `?1`, newest first.
    static let point =
        union(all, "WHERE name = ?1") + " ORDER BY sequence DESC"

    /// The rows of the names from `?1` on and before `?2`, in their order; of one name newest first.
    static let range =
        union(all, "WHERE name >= ?1 AND name < ?2") + " ORDER BY name, sequence DESC"

    /// The same of some runs only, from `?1` on.
    static func range(of slots: [Int]) -> String {
        union(slots.map(name), "WHERE name >= ?1") + " ORDER BY name, sequence DESC"
    }

    /// As `range`, of the merged table and some runs only.
    static func rangeWithRecords(and slots: [Int]) -> String {
        union(["records"] + slots.map(name), "WHERE name >= ?1 AND name < ?2")
            + " ORDER BY name, sequence DESC"
    }

    private static func union(_ tables: [String], _ condition: String) -> String {
        tables.map { "SELECT name, sequence, checksum, value FROM \($0) \(condition)" }
            .joined(separator: " UNION ALL ")
    }
}
