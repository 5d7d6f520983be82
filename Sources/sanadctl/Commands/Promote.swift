import ArgumentParser
import Foundation
import SanadNode

/// `sanadctl promote`
struct Promote: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Makes this node the primary.",
        discussion: """
            Prints first what could be lost, then asks. The node refuses while its own grant to the \
            other node has not expired (lease and drift: about 3 s after the last heartbeat), and, \
            without --accept-loss, when an acknowledged write could be missing here.

            Look at the other node first. If it is primary, or in async mode still running, a \
            promotion here makes two primaries: stop the other host, or make sure that it is lost.
            """)

    @OptionGroup var node: NodeOptions

    @Flag(help: "Promote even if acknowledged writes are missing here; needs --reason.")
    var acceptLoss = false

    @Option(help: ArgumentHelp("Why; it is kept in the audit trail.", valueName: "text"))
    var reason: String?

    @Flag(name: [.short, .long], help: "Do not ask.")
    var yes = false

    @Flag(help: "Only say what would happen.")
    var dryRun = false

    private struct Request: Encodable {
        var acceptLoss: Bool
        var reason: String
        var dryRun: Bool

        enum CodingKeys: String, CodingKey {
            case acceptLoss = "accept_loss"
            case reason
            case dryRun = "dry_run"
        }
    }

    func validate() throws {
        if acceptLoss, reason?.isEmpty ?? true {
            throw ValidationError("--accept-loss needs --reason, for the audit trail")
        }
        // An epoch's start record has 255 bytes for it, some of which the node uses itself.
        if let reason, reason.utf8.count > 200 {
            throw ValidationError("--reason must have at most 200 bytes")
        }
    }

    func run() async throws {
        try await node.withClient { client in
            let (status, _) = try await client.status()
            guard status.role != "primary" || !status.writable else {
                Terminal.out("\(status.node) is the primary already; nothing was done.")
                return
            }
            if status.role == "unconfirmed" {
                Terminal.error(
                    "CAUTION: \(status.node) does not know whether \(status.link.peer) has become "
                        + "primary meanwhile. If it has, this makes two primaries, and writes "
                        + "will be cut off. Go on only if you have seen that "
                        + "\(status.link.peer) is down or standby.")
            }
            let outlook = try await ask(client, dryRun: true)
            for line in outlook.lines { Terminal.out(line) }
            // A dry run is never "done"; a refusal begins with these words.
            guard outlook.done || !outlook.message.hasPrefix("not promoted") else {
                throw refusal(outlook)
            }
            guard !dryRun else {
                Terminal.out("\(status.node): \(outlook.message). Nothing was done.")
                return
            }
            if !yes {
                try Terminal.confirm(
                    "\(status.node) becomes primary of a new epoch.",
                    expected: acceptLoss || status.role == "unconfirmed" ? status.node : "yes")
            }
            let answer = try await ask(client, dryRun: false)
            guard answer.done else { throw refusal(answer) }
            Terminal.out("\(status.node): \(answer.message).")
        }
    }

    private func ask(_ client: NodeClient, dryRun: Bool) async throws -> ControlAnswer {
        let request = Request(
            acceptLoss: acceptLoss, reason: reason ?? "sanadctl promote", dryRun: dryRun)
        return try await client.control(
            .post, "/control/promote", body: [UInt8](try JSONEncoder().encode(request)))
    }

    private func refusal(_ answer: ControlAnswer) -> Failure {
        Failure(
            .refused, answer.message,
            next: "look at the other node before anything else: sanadctl status, on its host")
    }
}
