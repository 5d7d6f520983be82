import ArgumentParser
import Foundation
import SanadCore

/// One record, named.
struct RecordArguments: ParsableArguments {
    @Argument(help: "The collection: [a-z][a-z0-9_-]{0,62}.")
    var collection: String

    @Argument(help: "The key: 1 to 512 bytes.")
    var key: String

    func validate() throws {
        guard (1...Limits.keyBytesMaximum).contains(key.utf8.count) else {
            throw ValidationError("a key has 1 to \(Limits.keyBytesMaximum) bytes")
        }
        guard (1...Limits.collectionBytesMaximum).contains(collection.utf8.count) else {
            throw ValidationError("a collection has 1 to \(Limits.collectionBytesMaximum) bytes")
        }
    }

    var path: String {
        "/v1/collections/\(NodeClient.encoded(collection))/records/\(NodeClient.encoded(key))"
    }

    /// `collection/key`, for people.
    var name: String { "\(collection)/\(key)" }
}

/// What must hold of the record for a write to be done.
struct ConditionOptions: ParsableArguments {
    @Flag(help: "Only if there is no such record.")
    var ifAbsent = false

    @Flag(help: "Only if there is such a record.")
    var ifPresent = false

    @Option(help: ArgumentHelp("Only if the record has this sequence.", valueName: "sequence"))
    var ifSequence: UInt64?

    func validate() throws {
        let given = [ifAbsent, ifPresent, ifSequence != nil].filter { $0 }.count
        guard given <= 1 else { throw ValidationError("give one condition at most") }
    }

    var headers: [(String, String)] {
        if ifAbsent { return [("If-None-Match", "*")] }
        if ifPresent { return [("If-Match", "*")] }
        if let ifSequence { return [("If-Match", "\"\(ifSequence)\"")] }
        return []
    }
}

/// The node's answer to a write.
struct WriteAnswer: Decodable {
    var epoch: UInt64
    var sequence: UInt64
    var durability: String

    /// Prints the answer to a write.
    static func show(_ body: Data, json: Bool, what: String) {
        guard !json, let answer = try? JSONDecoder().decode(WriteAnswer.self, from: body) else {
            Terminal.out(String(decoding: body, as: UTF8.self))
            return
        }
        Terminal.out(
            "\(what): sequence \(answer.sequence), epoch \(answer.epoch), durable on "
                + durabilityText(answer.durability))
    }

    static func durabilityText(_ durability: String) -> String {
        switch durability {
        case "both-sites": "both sites"
        case "one-site": "this site only"
        default: durability
        }
    }
}
