import ArgumentParser
import SanadNode

/// `sanadctl switchover`
struct Switchover: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Hands the primary role over to the other node, in order.",
        discussion: """
            Give it on the primary, when the other node is in sync. Writes wait some milliseconds, \
            until the other node has the last one; then it is primary. No acknowledged write is \
            lost. If the other node does not take over in time, this one goes on as before.
            """)

    @OptionGroup var options: OperatorOptions

    func run() async throws {
        try await OperatorCommand(
            name: "switchover", effect: "hands the primary role over", confirmation: .yes,
            advice: "\"sanadctl status\" on both hosts says who is primary and who is in sync"
        ).run(options)
    }
}
