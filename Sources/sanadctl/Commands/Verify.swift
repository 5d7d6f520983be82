import ArgumentParser
import Foundation
import SanadCore
import SanadStore

/// `sanadctl verify`
struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks every byte of this host's store: the log's chain, and the records.",
        discussion: """
            Reads the files only, beside a running node or without one. Recomputes the chain hash \
            of every frame of every segment, then compares the record table with the log. Exit \
            code 0 when all is sound, 65 when something is damaged: then every damaged file is named, \
            and the position up to which the log is sound.
            """)

    @OptionGroup var files: FileOptions

    @Flag(help: "Report progress even when standard error is no terminal.")
    var progress = false

    @Flag(help: "Print the result as JSON.")
    var json = false

    private struct Result: Encodable {
        var sound: Bool
        var segments: Int
        var frames: Int
        var transactions: UInt64
        var logBytes: UInt64
        var verifiedTo: String
        var records: UInt64
        var problems: [String]

        enum CodingKeys: String, CodingKey {
            case sound
            case segments
            case frames
            case transactions
            case records
            case problems
            case logBytes = "log_bytes"
            case verifiedTo = "verified_to"
        }
    }

    func run() throws {
        let store = try StoreFiles(files)
        let log = try verifyLog(store)
        // Records are compared with the log, so they can be no sounder than it is.
        let records = log.problems.isEmpty ? try verifyRecords(store) : nil
        let found = log.problems + [records?.problem].compactMap(\.self)
        let problems = found.map(\.description)
        let result = Result(
            sound: problems.isEmpty, segments: log.segments, frames: log.frames,
            transactions: log.transactions, logBytes: log.bytes,
            verifiedTo: log.verified.description, records: records?.records ?? 0,
            problems: problems)
        if json {
            try JSONLine.print(result)
        } else {
            show(result, recordsWereChecked: records != nil)
        }
        guard problems.isEmpty else { throw ExitCode(Failure.Code.badData.rawValue) }
    }

    private func verifyLog(_ store: StoreFiles) throws -> VerifyReport {
        let total = try store.segments().reduce(0) { $0 + $1.bytes }
        let report = ProgressReport(force: progress)
        var shown = 0.0
        defer { report.end() }
        return try store.verifyLog { state in
            guard report.elapsedSeconds - shown >= 1 else { return }
            shown = report.elapsedSeconds
            // The files hold a little more than the frames, so this never reaches 100 % too early.
            let fraction = total == 0 ? nil : Double(state.bytes) / Double(total)
            report.show(
                count: state.transactions, unit: "transactions", bytes: state.bytes,
                fraction: fraction)
        }
    }

    private func verifyRecords(_ store: StoreFiles) throws -> RecordsReport {
        let report = ProgressReport(force: progress)
        var shown = 0.0
        defer { report.end() }
        return try store.verifyRecords { state in
            guard report.elapsedSeconds - shown >= 1 else { return }
            shown = report.elapsedSeconds
            // First the log is replayed, then its outcome is compared with the table.
            let isReplay = state.records == 0
            report.show(
                count: isReplay ? state.transactions : state.records,
                unit: isReplay ? "transactions replayed" : "records compared", bytes: nil,
                fraction: nil)
        }
    }

    private func show(_ result: Result, recordsWereChecked: Bool) {
        Terminal.out(
            Text.table([
                (
                    "Log",
                    "\(result.segments) segments, \(Text.count(UInt64(result.frames))) frames, "
                        + "\(Text.count(result.transactions)) transactions, "
                        + Text.bytes(result.logBytes)
                ),
                ("Sound up to", result.verifiedTo),
                (
                    "Records",
                    recordsWereChecked
                        ? "\(Text.count(result.records)) compared with the log"
                        : "not compared: the log is damaged"
                ),
            ]))
        guard !result.sound else {
            Terminal.out("The store is sound.")
            return
        }
        for problem in result.problems { Terminal.error("DAMAGED: \(problem)") }
        Terminal.error("What to do: read \"A damaged store\" in OPERATIONS.md")
    }
}
