import ArgumentParser
import Foundation
import SanadNode

/// The options of every command that an operator changes a node with.
struct OperatorOptions: ParsableArguments {
    @OptionGroup var node: NodeOptions

    @Option(help: ArgumentHelp("Why; it is kept in the audit trail.", valueName: "text"))
    var reason: String?

    @Flag(name: [.short, .long], help: "Do not ask.")
    var yes = false

    @Flag(help: "Only say what would happen and what is at stake.")
    var dryRun = false

    @Flag(help: "Print the node's answer as JSON; what is at stake goes to standard error.")
    var json = false

    /// An epoch's start record has 255 bytes for the reason, some of which the node uses itself.
    static let reasonBytesMaximum = 200

    func validate() throws {
        if let reason, reason.utf8.count > Self.reasonBytesMaximum {
            throw ValidationError("--reason must have at most \(Self.reasonBytesMaximum) bytes")
        }
    }

    /// For commands that say in the audit trail why they were given.
    func requireReason() throws {
        guard !dryRun, reason?.isEmpty ?? true else { return }
        throw ValidationError("give --reason; it is kept in the audit trail")
    }
}

/// One operator's command: first what would happen, then the question, then the deed.
struct OperatorCommand: Sendable {
    /// The body of `POST /control/<name>`.
    struct Body: Encodable, Equatable {
        var reason: String
        var actor: String
        var dryRun: Bool
        var acceptLoss: Bool?
        var seconds: UInt64?

        enum CodingKeys: String, CodingKey {
            case reason
            case actor
            case dryRun = "dry_run"
            case acceptLoss = "accept_loss"
            case seconds
        }
    }

    /// As on the control socket.
    var name: String
    /// What becomes of the node, for the question: `becomes primary of a new epoch`.
    var effect: String
    var confirmation: Confirmation
    /// What to do when the node refuses.
    var advice: String?
    var acceptLoss: Bool?
    var seconds: UInt64?
    /// What to know beside the node's own words.
    var caution: (@Sendable (NodeStatus) -> String?)?

    func run(_ options: OperatorOptions) async throws {
        try await options.node.withClient { client in
            let (status, _) = try await client.status()
            if let caution = caution?(status) { Terminal.error("CAUTION: " + caution) }
            let outlook = try await ask(client, options, dryRun: true)
            let isRehearsal = options.dryRun
            if !(isRehearsal && options.json) { show(stake: outlook, json: options.json) }
            guard outlook.done else { throw failure(outlook) }
            if isRehearsal {
                guard !options.json else { return try outlook.show(json: true) }
                return Terminal.out("\(status.node): \(outlook.message). Nothing was done.")
            }
            try confirmation.obtain(
                "\(status.node) \(effect).", node: status.node, saidYes: options.yes)
            let answer = try await ask(client, options, dryRun: false)
            guard !options.json else { return try answer.show(json: true) }
            guard answer.done else { throw failure(answer) }
            Terminal.out("\(status.node): \(answer.message).")
        }
    }

    func body(_ options: OperatorOptions, dryRun: Bool) -> Body {
        Body(
            reason: options.reason ?? (dryRun ? "dry run" : "sanadctl \(name)"),
            actor: Actor.name, dryRun: dryRun, acceptLoss: acceptLoss, seconds: seconds)
    }

    private func ask(
        _ client: NodeClient, _ options: OperatorOptions, dryRun: Bool
    ) async throws -> ControlAnswer {
        let body = try JSONEncoder().encode(body(options, dryRun: dryRun))
        return try await client.control(.post, "/control/\(name)", body: [UInt8](body))
    }

    private func show(stake: ControlAnswer, json: Bool) {
        for line in Self.stakeLines(stake) {
            if json { Terminal.error(line) } else { Terminal.out(line) }
        }
    }

    /// The node's own words about what is at stake, as they are printed.
    static func stakeLines(_ answer: ControlAnswer) -> [String] {
        answer.lines.isEmpty ? [] : ["At stake:"] + answer.lines.map { "  " + $0 }
    }

    /// A refusal, or an outcome that nobody knows.
    func failure(_ answer: ControlAnswer) -> Failure {
        // The engine's words for a command that another site or the arbiter did not settle in time.
        guard !answer.message.contains("no outcome within") else {
            return Failure(
                .outcomeUnknown, answer.message,
                next: "see what has become of it: sanadctl status, on both hosts")
        }
        return Failure(.refused, answer.message, next: advice)
    }
}
