import Glibc
import SanadCore
import SanadStore

/// A store's files, read only: whether a node runs on them or not makes no difference.
struct StoreFiles {
    private let inspection: StoreInspection

    init(_ options: FileOptions) throws {
        let directory = try options.directory()
        try Self.checkStore(directory)
        inspection = try Self.reading { () throws(StoreError) in
            try StoreInspection(directory: directory)
        }
    }

    /// Tells "no store there" and "not allowed" apart before a failed read mixes them up.
    static func checkStore(_ directory: String) throws {
        let log = directory + "/segments"
        if access(log, F_OK) != 0, errno != EACCES {
            throw Failure(
                .noInput, "there is no store in \(directory)",
                next: "name the directory with --store, as store.directory in the node's "
                    + "configuration has it")
        }
        guard access(log, R_OK | X_OK) == 0 else {
            throw Failure(.noInput, "you may not read \(directory)", next: privileges)
        }
    }

    private static let privileges =
        "run this as root or as the user sanad: the store is closed to others"

    func segments() throws -> [SegmentInfo] {
        try Self.reading { () throws(StoreError) in try inspection.log.segments() }
    }

    /// Hands out the frames after a sequence until `body` says false or the log ends. A sequence
    /// inside a frame begins with that frame.
    func forEachFrame(after sequence: Sequence, _ body: (Frame) -> Bool) throws {
        // A file begins at a frame's boundary; from the file's beginning on, frames are passed over.
        let segments = try segments()
        guard let oldest = segments.first else { return }
        let start = segments.last { $0.first <= sequence.next } ?? oldest
        var next = Sequence(start.first.value - 1)
        while true {
            let after = next
            let frames = try Self.reading { () throws(StoreError) in
                try inspection.log.read(
                    after: after, maximumBytes: Limits.catchUpReadBytes)
            }
            guard let last = frames.last else { return }
            for frame in frames where frame.header.last > sequence {
                guard body(frame) else { return }
            }
            next = last.header.last
        }
    }

    /// Hands out the records of the table, in the order of their names, until `body` says false.
    func forEachRecord(_ body: (MutationView) -> Bool) throws -> RecordsFound {
        try Self.reading { () throws(StoreError) in try inspection.forEachRecord(body) }
    }

    func verifyLog(progress: (VerifyReport) -> Void) throws -> VerifyReport {
        try Self.reading { () throws(StoreError) in
            try inspection.log.verify { report in
                progress(report)
                return true
            }
        }
    }

    func verifyRecords(progress: (RecordsReport) -> Void) throws -> RecordsReport {
        try Self.reading { () throws(StoreError) in
            try inspection.verifyRecords { report in
                progress(report)
                return true
            }
        }
    }

    /// Turns the store's error into what a person sees.
    static func reading<Result>(
        _ body: () throws(StoreError) -> Result
    ) throws -> Result {
        do throws(StoreError) {
            return try body()
        } catch {
            throw Failure(code(error.code), error.description, next: next(error))
        }
    }

    private static func code(_ code: StoreError.Code) -> Failure.Code {
        switch code {
        case .corrupt, .newerFormat, .foreignStore: .badData
        case .io: .noInput
        case .busy, .locked, .snapshotExpired: .unavailable
        default: .refused
        }
    }

    private static func next(_ error: StoreError) -> String? {
        switch error.code {
        case .corrupt: "read \"A damaged store\" in OPERATIONS.md"
        case .io: access(error.path, R_OK) != 0 && errno == EACCES ? privileges : nil
        case .newerFormat: "use the version of sanadctl that belongs to the store"
        default: nil
        }
    }
}
