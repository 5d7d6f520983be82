import ArgumentParser
import SanadNode

/// `sanadctl promote`
struct Promote: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Makes this node the primary.",
        discussion: """
            Prints first what could be lost, then asks. The node refuses while its own grant to the \
            other node, or the arbiter's lease, has not expired (lease and drift: about 3 s after \
            the last heartbeat), and, without --accept-loss, when an acknowledged write could be \
            missing here.

            To swap the roles of two healthy nodes, use "switchover" on the primary: it loses \
            nothing. Without any word from the arbiter and the other node, only "run-alone" acts.
            """)

    @OptionGroup var options: OperatorOptions

    @Flag(help: "Promote even if acknowledged writes are missing here.")
    var acceptLoss = false

    func validate() throws { try options.requireReason() }

    func run() async throws {
        try await OperatorCommand(
            name: "promote", effect: "becomes primary of a new epoch",
            confirmation: acceptLoss ? .nodeName : .yes,
            advice: "look at the other node before anything else: sanadctl status, on its host",
            acceptLoss: acceptLoss, caution: Self.caution
        ).run(options)
    }

    static func caution(_ status: NodeStatus) -> String? {
        guard status.role == "unconfirmed" else { return nil }
        return "\(status.node) does not know whether \(status.link.peer) has become primary "
            + "meanwhile. Go on only if you have seen that \(status.link.peer) is down or standby."
    }
}
