import ArgumentParser
import SanadNode

/// `sanadctl run-alone`
struct RunAlone: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run-alone",
        abstract: "Makes this node primary without asking anybody: the last resort.",
        discussion: """
            For the day on which the other site and the arbiter are lost together. Neither lease \
            nor record is asked; if the other node is alive, there will be two primaries, and one \
            of them will lose writes. Switch the other host off first, and make sure that it stays \
            off. It holds until the node leaves the role, or restarts.
            """)

    @OptionGroup var options: OperatorOptions

    func validate() throws { try options.requireReason() }

    func run() async throws {
        try await OperatorCommand(
            name: "run-alone",
            effect: "becomes primary without anybody's word, and needs no lease from now on",
            confirmation: .nodeName,
            advice: "\"sanadctl status\" says what stands against it",
            caution: { status in
                status.link.connected
                    ? "\(status.link.peer) is connected at this moment: it is alive. Stop it first."
                    : nil
            }
        ).run(options)
    }
}
