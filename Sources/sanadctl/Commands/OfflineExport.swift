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
        let records = lines.count
        var (end, committed) = (found.applied, found.applied)
        try store.forEachFrame(after: found.applied) { frame in
            frame.forEachMutation { sequence, change in
                if sequence > found.applied { lines.append(change) }
            }
            end = frame.header.last
            committed = max(committed, frame.header.committed)
            return lines.failure == nil
        }
        lines.flush()
        if let failure = lines.failure { throw failure }
        report.end()
        try target?.finish()
        tell(found, records, changes: lines.count - records, end, committed)
    }

    private func tell(
        _ found: RecordsFound, _ records: UInt64, changes: UInt64, _ end: Sequence,
        _ committed: Sequence
    ) {
        let place = output.map { " to \($0)" } ?? ""
        Terminal.error(
            "\(Text.count(records)) records and \(Text.count(changes)) changes exported\(place): "
                + "the state at sequence \(end)")
        if end > committed {
            Terminal.error(
                "What came after sequence \(committed) is in this log, and may never have been "
                    + "acknowledged.")
        }
        if let words = found.incomplete { Terminal.error("NOT WHOLE: \(words)") }
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
