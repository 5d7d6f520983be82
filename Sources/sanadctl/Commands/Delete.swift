import ArgumentParser
import Foundation

/// `sanadctl delete`
struct Delete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Deletes a record.")

    @OptionGroup var node: NodeOptions
    @OptionGroup var record: RecordArguments
    @OptionGroup var condition: ConditionOptions

    @Flag(help: "Print the node's answer as JSON.")
    var json = false

    func run() async throws {
        let (path, headers) = (record.path, condition.headers)
        let answer = try await node.withClient {
            try await $0.ask(.delete, path, headers: headers)
        }
        WriteAnswer.show(answer.body, json: json, what: "delete \(record.name)")
    }
}
