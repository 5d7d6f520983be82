import ArgumentParser
import Foundation
import SanadCore

/// `sanadctl put`
struct Put: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Writes a record.",
        discussion: """
            The value is one JSON value of at most 1 MiB: the argument, --file, or standard input.
            Exit code 75 means that nobody knows whether it was written.
            """)

    @OptionGroup var node: NodeOptions
    @OptionGroup var record: RecordArguments

    @Argument(help: "The JSON value; without it, --file or standard input is read.")
    var value: String?

    @Option(help: ArgumentHelp("Read the value from this file.", valueName: "file"))
    var file: String?

    @OptionGroup var condition: ConditionOptions

    @Option(help: "Makes a retry safe: the node does the same write once.")
    var idempotencyKey: String?

    @Flag(help: "Print the node's answer as JSON.")
    var json = false

    func validate() throws {
        if value != nil, file != nil { throw ValidationError("give a value or --file, not both") }
    }

    func run() async throws {
        let bytes = try readValue()
        var headers = condition.headers + [("Content-Type", "application/json")]
        if let idempotencyKey { headers.append(("Idempotency-Key", idempotencyKey)) }
        let (path, sent) = (record.path, headers)
        let answer = try await node.withClient {
            try await $0.ask(.put, path, headers: sent, body: bytes)
        }
        WriteAnswer.show(answer.body, json: json, what: "put \(record.name)")
    }

    private func readValue() throws -> [UInt8] {
        if let value { return [UInt8](value.utf8) }
        let source = try InputSource(path: file ?? "-", isCompressed: false)
        // One byte more than allowed, so that the node's own refusal is what the person sees.
        return try source.readAll(limit: Limits.valueBytesMaximum + 1)
    }
}
