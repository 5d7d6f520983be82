import ArgumentParser
import Glibc
import SanadCore
import SanadStore

/// `sanadctl quarantine show`
struct QuarantineShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Shows the transactions of a piece of log, oldest first.",
        discussion: "Values are personal data: they are not shown. \"export\" has them.")

    @OptionGroup var source: QuarantineSource

    @Option(help: "At most this many transactions.")
    var limit: UInt64 = 100

    func run() async throws {
        let file = try await source.open()
        Terminal.out(Text.table(file.facts))
        Terminal.out("")
        var left = limit
        try file.forEachFrame { frame in
            if let start = frame.epochStart {
                Terminal.out(
                    "\(frame.header.last)  epoch \(frame.header.epoch) begins: \(start.node), "
                        + start.reason)
                return true
            }
            var current: Sequence?
            frame.forEachMutation { sequence, mutation in
                if sequence != current {
                    guard left > 0 else { return }
                    left -= 1
                    current = sequence
                }
                Terminal.out(LogShow.line(sequence, mutation))
            }
            return left > 0
        }
        if left == 0, limit < file.reader.transactionCount {
            Terminal.error("Not all is shown; give a larger --limit.")
        }
    }
}

/// `sanadctl quarantine export`
struct QuarantineExport: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Writes a piece of log as NDJSON, in the format of \"import\".",
        discussion: """
            One line a mutation, in the order in which they were written. Look through them before \
            you import them: they are older than what the primary has now, and would overwrite it.
            """)

    @OptionGroup var source: QuarantineSource

    @Option(
        name: [.short, .long],
        help: ArgumentHelp("Where to write; without it, standard output.", valueName: "file"))
    var output: String?

    func run() async throws {
        let file = try await source.open()
        let target = try output.map { try OutputFile($0) }
        var lines: UInt64 = 0
        try file.forEachFrame { frame in
            var bytes: [UInt8] = []
            frame.forEachMutation { _, mutation in
                BulkLine.append(mutation, to: &bytes)
                lines += 1
            }
            let status = bytes.withUnsafeBytes {
                Terminal.writeAll($0, to: target?.descriptor ?? STDOUT_FILENO)
            }
            guard status == 0 else {
                throw Failure(.cannotCreate, "cannot write: \(String(cString: strerror(status)))")
            }
            return true
        }
        try target?.finish()
        let place = output.map { " to \($0)" } ?? ""
        Terminal.error("\(Text.count(lines)) lines exported\(place)")
    }
}
