/// Why the store could not do what it was asked to.
public struct StoreError: Error, Sendable, CustomStringConvertible {
    /// What kind of failure it is: a closed set, each with its own reaction.
    public enum Code: String, Sendable {
        /// The disk or the file system failed.
        case io
        /// Bytes are not what was written; path and message say where.
        case corrupt
        /// No space left. Nothing was changed; the same call may succeed later.
        case diskFull
        /// A later version of the program wrote this store.
        case newerFormat
        /// Another process has the store open.
        case locked
        /// The store belongs to another cluster or node.
        case foreignStore
        /// A reader held a lock for longer than the writer waits.
        case busy
        /// The log no longer has, or never had, what was asked for.
        case notHeld
        /// The sequence or position is not a frame boundary of this log.
        case notABoundary
        /// The frame is not the next one of this log.
        case notTheNextFrame
        /// The record table already holds what the cut would remove.
        case appliedBeyondFork
        /// Rows were read before a position that the table has already reached: fetch them again.
        case staleRows
        /// Rows came of other records than those that were asked for.
        case unexpectedRows
        /// The store may be the only one that has acknowledged writes.
        case lastCopy
        /// An entry with the same key and other content exists.
        case conflict
        /// A snapshot was held for longer than `StoreOptions.readTransactionMaximum`.
        case snapshotExpired
        /// An earlier failure left the log's end unknown: only a restart can tell.
        case poisoned
        /// SQLite refused a call; this is a defect of the program.
        case misuse
    }

    public var code: Code
    /// What was being done, as a short phrase.
    public var operation: String
    /// The file or directory.
    public var path: String
    /// SQLite's extended result code or `errno`; zero when neither was involved.
    public var systemCode: Int32
    public var message: String
    /// What an operator can do about it; may be empty.
    public var hint: String
    /// The process must stop acknowledging and exit; the next start recovers from the log.
    public var isFatal: Bool

    public init(
        _ code: Code, operation: String, path: String, message: String, systemCode: Int32 = 0,
        hint: String = "", isFatal: Bool = false
    ) {
        self.code = code
        self.operation = operation
        self.path = path
        self.systemCode = systemCode
        self.message = message
        self.hint = hint
        self.isFatal = isFatal
    }

    public var description: String {
        let number = systemCode == 0 ? "" : " (code \(systemCode))"
        let advice = hint.isEmpty ? "" : "; \(hint)"
        return "\(operation): \(path): \(message)\(number) [\(code.rawValue)]\(advice)"
    }

    /// The same failure, after which nobody knows what is on disk.
    var fatal: StoreError {
        var error = self
        error.isFatal = true
        return error
    }
}
