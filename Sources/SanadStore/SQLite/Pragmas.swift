internal import SanadCore

/// The settings of a connection, all of them stated: Debian's build has defaults of its own.
struct Pragmas {
    enum Synchronous: String {
        /// Each commit is on the disk when it returns.
        case full = "FULL"
        /// Only a checkpoint syncs; what a crash takes back is in the log.
        case normal = "NORMAL"
    }

    enum Journal: String {
        case wal = "WAL"
        /// A transaction's old pages are kept aside; what it adds at the end is written once, in
        /// place.
        case rollback = "TRUNCATE"
    }

    var pageBytes: Int
    var journal = Journal.wal
    var synchronous: Synchronous
    var cacheKibibytes: Int
    /// The WAL file shrinks to this once it starts anew.
    var journalBytesLimit: Int

    /// Applies the settings of the one connection that writes a file.
    func apply(toWriter connection: SQLiteConnection) throws(StoreError) {
        // The page size takes hold only in a file that is still empty, before its journal mode.
        try connection.execute("PRAGMA page_size = \(pageBytes)")
        try connection.execute("PRAGMA auto_vacuum = NONE")
        try connection.execute("PRAGMA journal_mode = \(journal.rawValue)")
        try connection.execute("PRAGMA synchronous = \(synchronous.rawValue)")
        // Checkpoints are called for by name, where their failure is seen and their time is known.
        try connection.execute("PRAGMA wal_autocheckpoint = 0")
        try connection.execute("PRAGMA journal_size_limit = \(journalBytesLimit)")
        // Overwriting freed pages with zeros would double the writes; erasing a record for good
        // takes more than that anyway, since the log has it too.
        try connection.execute("PRAGMA secure_delete = OFF")
        try Self.applyCommon(to: connection, cacheKibibytes: cacheKibibytes)
    }

    /// Applies the settings of a connection that only reads.
    static func apply(
        toReader connection: SQLiteConnection, cacheKibibytes: Int
    ) throws(StoreError) {
        try connection.execute("PRAGMA query_only = ON")
        try applyCommon(to: connection, cacheKibibytes: cacheKibibytes)
    }

    private static func applyCommon(
        to connection: SQLiteConnection, cacheKibibytes: Int
    ) throws(StoreError) {
        try connection.execute("PRAGMA locking_mode = NORMAL")
        try connection.execute("PRAGMA cache_size = -\(cacheKibibytes)")
        // A read error of a mapped file is a signal, not an error code.
        try connection.execute("PRAGMA mmap_size = 0")
        try connection.execute("PRAGMA temp_store = MEMORY")
        try connection.execute("PRAGMA cell_size_check = ON")
        try connection.execute("PRAGMA trusted_schema = OFF")
        try connection.execute("PRAGMA foreign_keys = OFF")
    }
}

/// What tells this project's files apart, and their versions.
enum FileFormat {
    case node
    case segment
    case records
    case witness

    /// `PRAGMA application_id`: "SND" and a letter.
    var applicationIdentifier: UInt32 {
        switch self {
        case .node: 0x534E_444E
        case .segment: 0x534E_4453
        case .records: 0x534E_4452
        case .witness: 0x534E_4457
        }
    }

    /// `PRAGMA user_version`, raised with each change that an older program cannot read.
    var version: UInt64 {
        switch self {
        case .records: 3
        case .node: 2
        case .segment, .witness: 1
        }
    }

    /// Marks a file that is being created; call it in the transaction that makes the tables.
    func mark(_ connection: SQLiteConnection) throws(StoreError) {
        try connection.execute("PRAGMA application_id = \(applicationIdentifier)")
        try connection.execute("PRAGMA user_version = \(version)")
    }

    /// The version that the file has; nil when its creation was cut short.
    ///
    /// - Throws: `.newerFormat`, and `.corrupt` when it is some other program's file.
    func check(_ connection: SQLiteConnection) throws(StoreError) -> UInt64? {
        let identifier = try connection.integer("PRAGMA application_id") ?? 0
        let found = try connection.integer("PRAGMA user_version") ?? 0
        if identifier == 0, found == 0 { return nil }
        guard identifier == UInt64(applicationIdentifier) else {
            throw StoreError(
                .corrupt, operation: "check the format", path: connection.path,
                message: "application_id \(identifier) is not \(applicationIdentifier)",
                hint: "this file was not written by Sanad")
        }
        guard found <= version else {
            throw StoreError(
                .newerFormat, operation: "check the format", path: connection.path,
                message: "format \(found) is newer than \(version)",
                hint: "install the version of Sanad that wrote this store, or a later one")
        }
        return found
    }
}
