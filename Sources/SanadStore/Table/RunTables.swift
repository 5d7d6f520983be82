/// The tables of `records.db` that hold rows beside the merged one, `records`, until they are merged
/// into it.
///
/// A run holds one flushed generation, sorted. A generation of random keys touches nearly every page
/// of a large table. Written as a run of its own it is one sequential write, and several runs are
/// merged in one pass when the disk is quiet. This is the log-structured merge of P. O'Neil et al.,
/// "The log-structured merge-tree", Acta Informatica 33, 1996, with one level of runs.
///
/// `repaired` holds the rows that were fetched after a cut, for the same reason. What `records` has
/// under their names may be of the history that was cut off, with higher sequences: it is hidden.
///
/// Of several rows with one name the one with the highest sequence counts; a row whose value is
/// NULL says that the record is deleted.
enum RunTables {
    /// Runs that can wait: each makes a read that is not answered from memory look once more.
    static let count = 16

    static let repaired = "repaired"

    static func name(_ slot: Int) -> String { "run\(slot)" }

    static let runs = (0..<count).map(name)

    /// All but the merged one.
    static let waiting = [repaired] + runs

    static let schema = runs.map(create).joined()

    static func create(_ table: String) -> String {
        """
        CREATE TABLE \(table) (
            name TEXT PRIMARY KEY COLLATE BINARY, sequence INTEGER NOT NULL,
            checksum INTEGER NOT NULL, value BLOB) STRICT, WITHOUT ROWID;
        """
    }

    /// The rows of one name, `?1`, newest first.
    static let point = point(with: waiting)

    /// The rows of the names from `?1` on and before `?2`, in their order; of one name newest first.
    static let range = range(with: waiting)

    /// As `range`, for a file of this version of the format.
    static func range(inVersion version: UInt64) -> String {
        range(with: version < 3 ? runs : waiting)
    }

    /// As `point`, for a file in which the other tables are empty, or do not exist.
    static func point(with tables: [String]) -> String {
        union(tables, "name = ?1") + " ORDER BY sequence DESC"
    }

    /// The rows of the merged table that count, from the name `?1` on in the order of names, when of
    /// the other tables only these hold any.
    static func merged(with tables: [String]) -> String {
        merged(tables, "name >= ?1") + " ORDER BY name"
    }

    /// The rows of some of the other tables, from the name `?1` on.
    static func waiting(in tables: [String]) -> String {
        tables.map { select(from: $0, "name >= ?1") }.joined(separator: unionAll)
            + " ORDER BY name, sequence DESC"
    }

    private static func range(with tables: [String]) -> String {
        union(tables, "name >= ?1 AND name < ?2") + " ORDER BY name, sequence DESC"
    }

    private static let unionAll = " UNION ALL "

    private static func union(_ tables: [String], _ condition: String) -> String {
        ([merged(tables, condition)] + tables.map { select(from: $0, condition) })
            .joined(separator: unionAll)
    }

    private static func merged(_ tables: [String], _ condition: String) -> String {
        let hidden = tables.contains(repaired) ? " AND name NOT IN (SELECT name FROM repaired)" : ""
        return select(from: "records", condition + hidden)
    }

    private static func select(from table: String, _ condition: String) -> String {
        "SELECT name, sequence, checksum, value FROM \(table) WHERE \(condition)"
    }
}
