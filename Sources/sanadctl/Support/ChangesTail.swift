import Foundation
import NIOHTTP1

/// What was written while an export was read: with it, the export is the state of one sequence.
struct ChangesTail: Sendable {
    /// The state at this sequence is complete.
    private(set) var reached: UInt64
    /// The same with its epoch, when the node tells it: a failover in between is then noticed.
    private var place: String
    /// Changes that were passed on.
    private(set) var lines: UInt64 = 0
    /// Nil for all.
    private let collection: String?

    /// A page ends at about a mebibyte, after a whole transaction of at most 8 MiB, whose lines
    /// have some bytes more than its encoding.
    private static let pageBytesMaximum = 32 << 20

    /// - Parameter headers: of the export.
    init(_ headers: HTTPHeaders, collection: String?) throws {
        reached = try Self.number("Sanad-Sequence", in: headers)
        place = headers.first(name: "Sanad-Position") ?? "\(reached)"
        self.collection = collection
    }

    /// Hands out all that is committed by now, in the format of `import`.
    mutating func follow(_ client: NodeClient, _ write: (Data) throws -> Void) async throws {
        var goal: UInt64?
        while goal.map({ reached < $0 }) ?? true {
            let page = try await client.ask(
                .get, "/v1/changes?limit=10000&after=\(place)",
                answerBytesMaximum: Self.pageBytesMaximum)
            goal = try goal ?? Self.number("Sanad-Committed", in: page.headers)
            let before = reached
            reached = max(reached, try Self.number("Sanad-Sequence", in: page.headers))
            place = page.headers.first(name: "Sanad-Position") ?? "\(reached)"
            try write(importLines(of: page.body))
            guard reached > before || reached >= goal ?? 0 else {
                throw Failure(.refused, "the changes after sequence \(before) do not go on")
            }
        }
    }

    /// The lines of a page as `import` takes them: without `sequence` and `epoch`, which stand
    /// before the members of the change, and only those of the collection that was asked for.
    mutating func importLines(of page: Data) -> Data {
        var result = Data()
        result.reserveCapacity(page.count)
        let start = Data("\"op\":".utf8)
        let wanted = collection.map { collection in
            ["put", "delete"].map {
                Data("\"op\":\"\($0)\",\"collection\":\"\(collection)\",".utf8)
            }
        }
        for line in page.split(separator: UInt8(ascii: "\n")) {
            guard let change = line.range(of: start) else { continue }
            let members = line[change.lowerBound...]
            if let wanted, !wanted.contains(where: members.starts) { continue }
            result.append(UInt8(ascii: "{"))
            result.append(members)
            result.append(UInt8(ascii: "\n"))
            lines += 1
        }
        return result
    }

    private static func number(_ name: String, in headers: HTTPHeaders) throws -> UInt64 {
        guard let number = headers.first(name: name).flatMap({ UInt64($0) }) else {
            throw Failure(
                .refused, "the node's answer has no \(name)",
                next: "use the same version of sanadctl and sanadd")
        }
        return number
    }
}
