import ArgumentParser
import SanadNode

/// `sanadctl fence`
struct Fence: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Takes the primary role from this node; it takes none until the fence is lifted.",
        discussion: """
            A fence survives a restart. On the primary, writes stop until the other node takes \
            over; it does so at once when it may. "sanadctl fence --lift" ends it.
            """)

    @OptionGroup var options: OperatorOptions

    @Flag(help: "End the fence: this node may be primary again.")
    var lift = false

    func validate() throws { try options.requireReason() }

    func run() async throws {
        let command =
            lift
            ? OperatorCommand(
                name: "lift-fence", effect: "may be primary again", confirmation: .none)
            : OperatorCommand(
                name: "fence", effect: "gives the primary role up and takes none",
                confirmation: .yes, advice: "to end a fence: sanadctl fence --lift --reason TEXT")
        try await command.run(options)
    }
}
