import AsyncHTTPClient
import Foundation
import NIOCore

/// One line of the answer to a bulk; the last one says `done`.
struct BulkAnswer: Decodable, Sendable {
    var done: Bool
    /// Lines committed.
    var lines: UInt64
    var transactions: UInt64
    var epoch: UInt64
    var firstSequence: UInt64?
    var lastSequence: UInt64?
    var durability: String?
    var problem: ProblemDocument?
    /// The line itself.
    var text = ""

    enum CodingKeys: String, CodingKey {
        case done
        case lines
        case transactions
        case epoch
        case durability
        case problem
        case firstSequence = "first_sequence"
        case lastSequence = "last_sequence"
    }

    /// What a person is told when the import ended at a bad line, or at a refusal.
    var failure: Failure? {
        guard let problem else { return nil }
        let place = lastSequence.map { ", up to sequence \($0)" } ?? ""
        var failure = problem.failure(httpStatus: 400)
        failure.message += "\n\(Text.count(lines)) lines were written before it\(place)."
        return failure
    }

    /// Reads the stream to its last line.
    ///
    /// - Throws: `outcomeUnknown` when the stream breaks off; the message says how far it came.
    static func follow(
        _ body: HTTPClientResponse.Body, progress: (BulkAnswer) -> Void
    ) async throws -> BulkAnswer {
        var latest: BulkAnswer?
        var reason = "the answer ended too early"
        do {
            var waiting = ByteBuffer()
            for try await var part in body {
                waiting.writeBuffer(&part)
                while let end = waiting.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) {
                    let length = end - waiting.readerIndex
                    let line = waiting.readString(length: length) ?? ""
                    waiting.moveReaderIndex(forwardBy: 1)
                    var answer = try JSONDecoder().decode(BulkAnswer.self, from: Data(line.utf8))
                    answer.text = line
                    latest = answer
                    progress(answer)
                }
                waiting.discardReadBytes()
            }
        } catch {
            reason = "\(error)"
        }
        guard let latest, latest.done else {
            let lines = Text.count(latest?.lines ?? 0)
            throw Failure(
                .outcomeUnknown,
                "the import broke off: \(reason). At least \(lines) lines were written.",
                next: "when the node is back, import the file again from its beginning: writing "
                    + "the same lines again in the same order ends in the same records")
        }
        return latest
    }
}
