/// The tables of `node.db`. A new file gets the first version and then each step in turn, so that
/// it cannot differ from one that was brought up to date.
enum NodeSchema {
    static let version1 = """
        CREATE TABLE identity (
            id INTEGER PRIMARY KEY CHECK (id = 1), cluster BLOB NOT NULL, node TEXT NOT NULL,
            store BLOB NOT NULL) STRICT;
        CREATE TABLE cluster_record (
            id INTEGER PRIMARY KEY CHECK (id = 1), cluster BLOB NOT NULL, version INTEGER NOT NULL,
            epoch INTEGER NOT NULL, primary_node TEXT NOT NULL, since_epoch INTEGER NOT NULL,
            since_sequence INTEGER NOT NULL, since_hash BLOB NOT NULL) STRICT;
        CREATE TABLE cluster_in_sync (
            node TEXT NOT NULL, store BLOB NOT NULL, PRIMARY KEY (node, store)) STRICT;
        CREATE TABLE epoch_history (
            epoch INTEGER PRIMARY KEY, node TEXT NOT NULL, begins_epoch INTEGER NOT NULL,
            begins_sequence INTEGER NOT NULL, begins_hash BLOB NOT NULL,
            start_epoch INTEGER NOT NULL, start_sequence INTEGER NOT NULL,
            start_hash BLOB NOT NULL, wall_ms INTEGER NOT NULL, reason TEXT NOT NULL) STRICT;
        CREATE TABLE audit (
            id INTEGER PRIMARY KEY AUTOINCREMENT, wall_ms INTEGER NOT NULL, actor TEXT NOT NULL,
            action TEXT NOT NULL, detail TEXT NOT NULL) STRICT;
        CREATE TABLE quarantine (
            id INTEGER PRIMARY KEY AUTOINCREMENT, wall_ms INTEGER NOT NULL,
            first_epoch INTEGER NOT NULL, last_epoch INTEGER NOT NULL, first INTEGER NOT NULL,
            last INTEGER NOT NULL, file TEXT NOT NULL UNIQUE, reason TEXT NOT NULL,
            bytes INTEGER NOT NULL) STRICT;
        CREATE TABLE cut_plan (
            id INTEGER PRIMARY KEY CHECK (id = 1), epoch INTEGER NOT NULL,
            sequence INTEGER NOT NULL, hash BLOB NOT NULL, log_offset INTEGER NOT NULL,
            wall_ms INTEGER NOT NULL, file TEXT NOT NULL, reason TEXT NOT NULL) STRICT;
        CREATE TABLE log_base (
            id INTEGER PRIMARY KEY CHECK (id = 1), epoch INTEGER NOT NULL,
            sequence INTEGER NOT NULL, hash BLOB NOT NULL, log_offset INTEGER NOT NULL) STRICT;
        """

    static let upgradeTo2 = """
        ALTER TABLE epoch_history ADD COLUMN is_override INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE cut_plan ADD COLUMN repairs INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE cut_plan ADD COLUMN names_until INTEGER NOT NULL DEFAULT 0;
        CREATE TABLE repair_plan (
            id INTEGER PRIMARY KEY CHECK (id = 1), kind TEXT NOT NULL, phase TEXT NOT NULL,
            base_epoch INTEGER, base_sequence INTEGER, base_hash BLOB, consistent_from INTEGER,
            quarantine INTEGER, keeps_old INTEGER NOT NULL, reason TEXT NOT NULL,
            wall_ms INTEGER NOT NULL) STRICT;
        CREATE TABLE repair_names (
            name BLOB PRIMARY KEY, is_done INTEGER NOT NULL) STRICT, WITHOUT ROWID;
        CREATE INDEX repair_names_left ON repair_names (name) WHERE is_done = 0;
        CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
        """

    /// Brings a file of an earlier version up to date, in one transaction.
    static func upgrade(_ connection: SQLiteConnection, from version: UInt64) throws(StoreError) {
        guard version < FileFormat.node.version else { return }
        try connection.transaction { () throws(StoreError) in
            try connection.execute(upgradeTo2)
            try FileFormat.node.mark(connection)
        }
    }
}
