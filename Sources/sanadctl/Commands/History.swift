import ArgumentParser
import SanadNode

/// `sanadctl history`
struct History: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows the epochs, the operators' actions and the quarantine.")

    @OptionGroup var node: NodeOptions

    @Flag(help: "Print the node's answer as JSON.")
    var json = false

    func run() async throws {
        let answer = try await node.withClient { try await $0.control(.get, "/control/history") }
        try answer.show(json: json)
    }
}
