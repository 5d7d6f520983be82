import ArgumentParser
import SanadNode

/// `sanadctl quarantine`
struct Quarantine: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Looks at writes that a failover cut off, and gets them out.",
        discussion: """
            What a returning node had beyond the point where its history and the primary's part is \
            moved to a file. Nothing is ever deleted from there but by "discard".
            """,
        subcommands: [
            QuarantineList.self, QuarantineShow.self, QuarantineExport.self,
            QuarantineDiscard.self,
        ])
}

/// `sanadctl quarantine list`
struct QuarantineList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Lists the pieces of log and the old stores that are kept.")

    @OptionGroup var node: NodeOptions

    @Flag(help: "Print the node's answer as JSON.")
    var json = false

    func run() async throws {
        let answer = try await node.withClient { try await $0.control(.get, "/control/quarantine") }
        try (json ? answer : answer.dated).show(json: json)
    }
}

/// `sanadctl quarantine discard`
struct QuarantineDiscard: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "discard", abstract: "Deletes a piece of log that nobody needs any more.")

    @Argument(help: "The entry's number, as \"quarantine list\" shows it.")
    var number: UInt64

    @Option(help: ArgumentHelp("Why; it is kept in the audit trail.", valueName: "text"))
    var reason: String

    @Flag(name: [.short, .long], help: "Do not ask.")
    var yes = false

    @OptionGroup var node: NodeOptions

    private struct Body: Encodable {
        var number: UInt64
        var reason: String
        var actor: String
    }

    func validate() throws {
        guard !reason.isEmpty, reason.utf8.count <= OperatorOptions.reasonBytesMaximum else {
            throw ValidationError(
                "--reason must have 1 to \(OperatorOptions.reasonBytesMaximum) bytes")
        }
    }

    func run() async throws {
        try await node.withClient { client in
            let list = try await client.control(.get, "/control/quarantine")
            guard let line = list.lines.first(where: { $0.hasPrefix("\(number): ") }) else {
                throw Failure(
                    .refused, "there is no quarantine entry \(number)",
                    next: "sanadctl quarantine list shows what there is")
            }
            Terminal.out("At stake:\n  " + ControlAnswer.dated(line))
            try Confirmation.yes.obtain(
                "It will be deleted and cannot be had back; \"quarantine export\" makes a copy.",
                node: "", saidYes: yes)
            let answer = try await client.control(
                .post, "/control/discard-quarantine",
                body: JSONLine.bytes(Body(number: number, reason: reason, actor: Actor.name)))
            try answer.show(json: false)
        }
    }
}
