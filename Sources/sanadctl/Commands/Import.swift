import ArgumentParser
import AsyncHTTPClient
import Foundation
import NIOCore
import SanadCore

/// `sanadctl import`
struct Import: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Writes many records from NDJSON, in the order of the lines.",
        discussion: """
            Each line is {"op":"put","collection":…,"key":…,"value":…} or \
            {"op":"delete","collection":…,"key":…}. Lines are written in transactions of up to \
            \(Limits.bulkTransactionLinesMaximum); a bad line stops the import, and what stands \
            before it stays written. Importing a file again from its beginning is safe.
            """)

    @OptionGroup var node: NodeOptions

    @Argument(help: "The file, plain or .gz; - is standard input.")
    var file = "-"

    @Flag(help: "The input is compressed by gzip, whatever its name.")
    var gzip = false

    @Flag(help: "Report progress even when standard error is no terminal.")
    var progress = false

    @Flag(help: "Print the node's summary as JSON.")
    var json = false

    func run() async throws {
        let source = try InputSource(path: file, isCompressed: gzip ? true : nil)
        let report = ProgressReport(force: progress)
        let failure = FailureBox()
        let summary = try await node.withClient { client in
            do {
                let body = HTTPClientRequest.Body.stream(
                    InputChunks(source: source, failure: failure), length: .unknown)
                let answer = try await client.stream(
                    .post, "/v1/bulk?progress=true",
                    headers: [("Content-Type", "application/x-ndjson")], body: body)
                return try await BulkAnswer.follow(answer.body) { line in
                    report.show(
                        count: line.lines, unit: "lines", bytes: source.bytesTaken,
                        fraction: source.fraction)
                }
            } catch {
                // A file that cannot be read also breaks the request; the file is the cause.
                throw failure.first ?? error
            }
        }
        report.end()
        try finish(summary, report, source)
    }

    private func finish(
        _ summary: BulkAnswer, _ report: ProgressReport, _ source: InputSource
    ) throws {
        // Scripts get the node's answer in either case; it says how far the import came.
        if json { Terminal.out(summary.text) }
        if let failure = summary.failure { throw failure }
        guard !json else { return }
        let seconds = report.elapsedSeconds
        let first = summary.firstSequence.map(String.init) ?? "-"
        let last = summary.lastSequence.map(String.init) ?? "-"
        let durability = summary.durability.map(WriteAnswer.durabilityText) ?? "no site"
        Terminal.out(
            "\(Text.count(summary.lines)) lines written in \(Text.seconds(seconds)) "
                + "(\(ProgressReport.rate(summary.lines, seconds)) lines/s): "
                + "\(Text.count(summary.transactions)) transactions, sequences \(first) to \(last), "
                + "epoch \(summary.epoch), durable on \(durability)")
    }
}
