import ArgumentParser
import AsyncHTTPClient
import Foundation
import Glibc
import NIOCore

/// `sanadctl export`
struct Export: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Prints every record as NDJSON, in the format that import takes.",
        discussion: """
            What is written meanwhile comes after the records, so that an import of the whole ends \
            in the state of one sequence. A file appears under its name only when it is whole: until then it ends in .part. To \
            compress: sanadctl export | gzip > records.ndjson.gz

            With --offline: from the files of a store, beside a running node or without one. Also of a \
            store that a reseed put aside. The changes that come after the records are then those \
            of the log, up to its end.
            """)

    @OptionGroup var node: NodeOptions

    @Flag(help: "Ask no node; read the files of --store.")
    var offline = false

    @OptionGroup(title: "With --offline") var files: FileOptions

    @Option(name: [.short, .long], help: ArgumentHelp("Where to write.", valueName: "file"))
    var output: String?

    @Option(help: "Only this collection.")
    var collection: String?

    @Flag(help: "Report progress even when standard error is no terminal.")
    var progress = false

    func validate() throws {
        guard offline || files.store == nil else {
            throw ValidationError("--store goes with --offline")
        }
        guard !offline || (node.socket == nil && node.url == nil) else {
            throw ValidationError("--offline asks no node: leave --socket and --url out")
        }
    }

    func run() async throws {
        guard !offline else {
            return try OfflineExport(
                store: try StoreFiles(files), collection: collection.map { Array($0.utf8) },
                output: output, report: ProgressReport(force: progress)
            ).run()
        }
        let target = try output.map { try OutputFile($0) }
        // Progress between the lines of a terminal's own output would be unreadable.
        let report = ProgressReport(
            force: progress, quiet: output == nil && Terminal.outputIsTerminal && !progress)
        let query = collection.map { "?collection=\(NodeClient.encoded($0))" } ?? ""
        let descriptor = target?.descriptor ?? STDOUT_FILENO
        let (lines, tail) = try await node.withClient { client in
            let answer = try await client.stream(.get, "/v1/export" + query)
            let lines = try await copy(answer.body, to: descriptor, report)
            var tail = try ChangesTail(answer.headers, collection: collection)
            try await tail.follow(client) { page in
                try page.withUnsafeBytes { try Self.write($0, to: descriptor) }
            }
            return (lines, tail)
        }
        report.end()
        try target?.finish()
        let place = output.map { " to \($0)" } ?? ""
        Terminal.error(
            "\(Text.count(lines)) records and \(Text.count(tail.lines)) changes exported\(place) in "
                + Text.seconds(report.elapsedSeconds) + ": the state at sequence \(tail.reached)")
    }

    private static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) throws {
        let status = Terminal.writeAll(bytes, to: descriptor)
        guard status == 0 else {
            throw Failure(.cannotCreate, "cannot write: \(String(cString: strerror(status)))")
        }
    }

    private func copy(
        _ body: HTTPClientResponse.Body, to descriptor: Int32, _ report: ProgressReport
    ) async throws -> UInt64 {
        var lines: UInt64 = 0
        var bytes: UInt64 = 0
        var shown = 0.0
        do {
            for try await part in body {
                try part.withUnsafeReadableBytes { try Self.write($0, to: descriptor) }
                bytes += UInt64(part.readableBytes)
                lines += part.readableBytesView.reduce(0) { $1 == UInt8(ascii: "\n") ? $0 + 1 : $0 }
                if report.elapsedSeconds - shown >= 1 {
                    shown = report.elapsedSeconds
                    report.show(count: lines, unit: "records", bytes: bytes, fraction: nil)
                }
            }
        } catch let failure as Failure {
            throw failure
        } catch {
            throw Failure(
                .unavailable,
                "the export broke off after \(Text.count(lines)) records: \(error)",
                next: "what was written is not whole; export again")
        }
        return lines
    }
}
