import ArgumentParser
import SanadNode

/// `sanadctl rejoin`
struct Rejoin: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "After two primaries have met: this node gives way to the other one.",
        discussion: """
            Give it on the node whose writes are to go, and on that one only. What only this node \
            has is moved to quarantine ("sanadctl quarantine"), and it follows the other node. A \
            node that comes back after an ordinary failover needs no such command.
            """)

    @OptionGroup var options: OperatorOptions

    func validate() throws { try options.requireReason() }

    func run() async throws {
        try await OperatorCommand(
            name: "rejoin", effect: "gives way; what only this node has goes to quarantine",
            confirmation: .nodeName,
            advice: "look at both nodes: sanadctl status, sanadctl history"
        ).run(options)
    }
}
