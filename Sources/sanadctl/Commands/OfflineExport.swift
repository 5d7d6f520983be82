import Glibc
import SanadCore
import SanadStore

/// `sanadctl export --offline`: what a store's files have, when no node can be asked for it.
struct OfflineExport {
    let store: StoreFiles
    let collection: [UInt8]?
    let output: String?
    let report: ProgressReport

    private static let pieceBytes = 1 << 20

    func run() throws {
        let target = try output.map { try OutputFile($0) }
        var lines = Lines(collection: collection, descriptor: target?.descriptor ?? STDOUT_FILENO)
        let found = try store.forEachRecord { record in
            lines.append(record)
            if lines.count % 65_536 == 0 {
                report.show(count: lines.count, unit: "records", bytes: nil, fraction: nil)
            }
            return lines.failure == nil
        }
        if let failure = lines.failure { throw failure }
        let records = lines.count
        let log = try followLog(after: found.applied, &lines)
        lines.flush()
        if let failure = lines.failure { throw failure }
        report.end()
        Terminal.error(
            "\(Text.count(records)) records and \(Text.count(lines.count - records)) changes "
                + "exported: the state at sequence \(log.end)")
        if log.end > log.committed {
            Terminal.error(
                "What came after sequence \(log.committed) is in this log, and may never have been "
                    + "acknowledged.")
        }
        let problems = Self.problems(found, log)
        guard problems.isEmpty else {
            throw Failure(
                .badData, "this is not the whole of it: " + problems.joined(separator: "; "),
                next: "what could be read is in \(output.map { $0 + ".part" } ?? "the output"); "
                    + "use it when the other node and the backups have no more")
        }
        try target?.finish()
    }

    /// How far the log could be followed.
    private struct LogFound {
        var end: Sequence
        /// What some frame calls committed.
        var committed: Sequence
        var problem: String?
    }

    private func followLog(after applied: Sequence, _ lines: inout Lines) throws -> LogFound {
        var found = LogFound(end: applied, committed: applied)
        do {
            try store.forEachFrame(after: applied) { frame in
                guard frame.header.first <= found.end.next else {
                    found.problem =
                        "the records are those of sequence \(applied), and the log begins at "
                        + "\(frame.header.first)"
                    return false
                }
                frame.forEachMutation { sequence, change in
                    if sequence > applied { lines.append(change) }
                }
                found.end = frame.header.last
                found.committed = max(found.committed, frame.header.committed)
                return lines.failure == nil
            }
        } catch let failure as Failure {
            found.problem = "the log cannot be read further: \(failure.message)"
        }
        return found
    }

    private static func problems(_ found: RecordsFound, _ log: LogFound) -> [String] {
        var words: [String] = []
        if let name = found.firstDamaged {
            words.append(
                "\(Text.count(found.damaged)) damaged records were left out, the first is \(name)")
        }
        if let problem = log.problem { words.append(problem) }
        if let incomplete = found.incomplete {
            words.append(incomplete)
        } else if log.end < found.consistentFrom {
            words.append(
                "the records are of different moments: the log ends at \(log.end), and would have "
                    + "to reach \(found.consistentFrom)")
        }
        return words
    }

    /// Lines on their way to a file, in pieces.
    private struct Lines {
        let collection: [UInt8]?
        let descriptor: Int32
        var count: UInt64 = 0
        var failure: Failure?
        private var bytes: [UInt8] = []

        init(collection: [UInt8]?, descriptor: Int32) {
            self.collection = collection
            self.descriptor = descriptor
        }

        mutating func append(_ mutation: MutationView) {
            // A name with a tilde is the program's own: what it remembers of repeated requests.
            guard failure == nil, mutation.collection.first != UInt8(ascii: "~"),
                collection.map({ $0.elementsEqual(mutation.collection) }) ?? true
            else { return }
            BulkLine.append(mutation, to: &bytes)
            count += 1
            if bytes.count >= OfflineExport.pieceBytes { flush() }
        }

        mutating func flush() {
            let status = bytes.withUnsafeBytes { Terminal.writeAll($0, to: descriptor) }
            bytes.removeAll(keepingCapacity: true)
            guard status != 0 else { return }
            failure = Failure(.cannotCreate, "cannot write: \(String(cString: strerror(status)))")
        }
    }
}
