import ArgumentParser
import SanadNode

/// `sanadctl reload`
struct Reload: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Makes the node read its certificates again.")

    @OptionGroup var node: NodeOptions

    @Flag(help: "Print the node's answer as JSON.")
    var json = false

    func run() async throws {
        let answer = try await node.withClient { try await $0.control(.post, "/control/reload") }
        try answer.show(json: json)
    }
}
