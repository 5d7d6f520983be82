import ArgumentParser
import Foundation
import SanadCore
import SanadStore

/// `sanadctl log`
struct Log: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Reads the log of this host's store, beside a running node or without one.",
        subcommands: [LogList.self, LogShow.self])
}

/// `sanadctl log list`
struct LogList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Lists the files of the log.")

    @OptionGroup var files: FileOptions

    @Flag(help: "One JSON object a line.")
    var json = false

    private struct Row: Encodable {
        var file: String
        var first: UInt64
        var last: UInt64
        var epoch: UInt64
        var transactions: UInt64
        var bytes: UInt64
        var sealed: Bool
    }

    func run() throws {
        let segments = try StoreFiles(files).segments()
        guard !json else {
            for segment in segments {
                try JSONLine.print(
                    Row(
                        file: segment.file, first: segment.first.value, last: segment.last.value,
                        epoch: segment.epoch.value, transactions: segment.transactionCount,
                        bytes: segment.bytes,
                        sealed: segment.isSealed))
            }
            return
        }
        var rows = [["file", "first", "last", "epoch", "transactions", "size", "state"]]
        for segment in segments {
            rows.append([
                segment.file, Text.count(segment.first.value), Text.count(segment.last.value),
                String(segment.epoch.value), Text.count(segment.transactionCount),
                Text.bytes(segment.bytes), segment.isSealed ? "sealed" : "active",
            ])
        }
        Terminal.out(Text.columns(rows, right: [1, 2, 3, 4, 5]))
    }
}

/// `sanadctl log show`
struct LogShow: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Shows the transactions of the log, oldest first.",
        discussion: """
            Values are personal data: they are shown with --json only, one mutation a line in the \
            format of import, with epoch and sequence.
            """)

    @OptionGroup var files: FileOptions

    @Option(help: ArgumentHelp("Begin after this sequence.", valueName: "sequence"))
    var after: UInt64?

    @Option(help: "At most this many transactions.")
    var limit: UInt64 = 100

    @Flag(help: "One JSON object a mutation, with its value.")
    var json = false

    func run() throws {
        let store = try StoreFiles(files)
        let oldest = try store.segments().first?.first.value ?? 1
        var left = limit
        try store.forEachFrame(after: Sequence(after ?? oldest - 1)) { frame in
            show(frame, &left)
            return left > 0
        }
    }

    private func show(_ frame: Frame, _ left: inout UInt64) {
        if let start = frame.epochStart {
            left -= 1
            if !json {
                Terminal.out(
                    "\(frame.header.last)  epoch \(frame.header.epoch) begins: \(start.node), "
                        + start.reason)
            }
            return
        }
        var current: Sequence?
        let wanted = after.map { Sequence($0) }
        frame.forEachMutation { sequence, mutation in
            if sequence != current {
                guard left > 0 else { return }
                current = sequence
                if wanted.map({ sequence > $0 }) ?? true { left -= 1 }
            }
            guard wanted.map({ sequence > $0 }) ?? true else { return }
            Terminal.out(json ? jsonLine(frame, sequence, mutation) : Self.line(sequence, mutation))
        }
    }

    static func line(_ sequence: Sequence, _ mutation: MutationView) -> String {
        let name =
            String(decoding: mutation.collection, as: UTF8.self) + "/"
            + String(decoding: mutation.key, as: UTF8.self)
        switch mutation.operation {
        case .put: return "\(sequence)  put     \(name)  \(mutation.value.count) bytes"
        case .delete: return "\(sequence)  delete  \(name)"
        }
    }

    /// The value is put in as it is: it is JSON, and stored byte for byte.
    private func jsonLine(
        _ frame: Frame, _ sequence: Sequence, _ mutation: MutationView
    ) -> String {
        let isPut = mutation.operation == .put
        var line = "{\"epoch\":\(frame.header.epoch),\"sequence\":\(sequence),"
        line += "\"op\":\"\(isPut ? "put" : "delete")\",\"collection\":"
        line += JSONLine.string(String(decoding: mutation.collection, as: UTF8.self))
        line += ",\"key\":" + JSONLine.string(String(decoding: mutation.key, as: UTF8.self))
        if isPut { line += ",\"value\":" + String(decoding: mutation.value, as: UTF8.self) }
        return line + "}"
    }
}
