import Foundation
import Testing

@testable import SanadCore

/// The examples of `docs/formats/wire.md` are read from the document itself: it cannot say other
/// bytes than the program.
@Suite("The wire's document")
struct WireDocumentTests {
    /// The first sample of each type of message, and the pages, as the document lays them out.
    private static var expected: String {
        var lines: [String] = []
        var seen: Set<UInt8> = []
        for bytes in MessageTests.samples.map({ $0.encoded() }).sorted(by: { $0[0] < $1[0] })
        where seen.insert(bytes[0]).inserted {
            lines += example("\(bytes[0])", bytes)
        }
        for sample in PagePacketTests.samples { lines += example("page", sample.encoded()) }
        return lines.joined(separator: "\n")
    }

    private static func example(_ label: String, _ bytes: [UInt8]) -> [String] {
        stride(from: 0, to: bytes.count, by: 32).map { start in
            let row = bytes[start..<min(start + 32, bytes.count)].map { byte in
                let digits = String(byte, radix: 16, uppercase: true)
                return digits.count < 2 ? "0" + digits : digits
            }
            let head = start == 0 ? label : ""
            return head + String(repeating: " ", count: 6 - head.count)
                + row.joined(separator: " ")
        }
    }

    private static func document() throws -> String {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        return try String(
            contentsOf: root.appendingPathComponent("docs/formats/wire.md"), encoding: .utf8)
    }

    @Test("every example has the bytes that the program sends")
    func examples() throws {
        let document = try Self.document()
        let section = try #require(document.components(separatedBy: "## Examples\n").last)
        let block = try #require(section.components(separatedBy: "```\n").dropFirst().first)
        let expected = Self.expected
        #expect(
            block == expected + "\n",
            "docs/formats/wire.md should have under Examples:\n\(expected)")
    }

    @Test("every version and every type of message stands in the document")
    func types() throws {
        let document = try Self.document()
        let newest = Message.protocolVersions.upperBound
        #expect(document.contains("\nProtocol version \(newest).\n"))
        for type in Set(MessageTests.samples.map { $0.encoded()[0] }) {
            #expect(document.contains("\n### \(type) "), "type \(type) has no table")
        }
    }
}
