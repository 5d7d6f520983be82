import SanadCore
import SanadStore
import SanadTestSupport
import Testing

@testable import SanadNode

@Suite("Records API: exports that take long")
struct RecordsExportTests {
    private static let path = "/v1/collections/c/records/"

    /// More than the sockets hold, so that the node has to wait for the client.
    private func fill(_ client: RawClient, records: Int, valueBytes: Int) throws {
        let value = String(repeating: "v", count: valueBytes)
        for first in stride(from: 1_000, to: 1_000 + records, by: 50) {
            var lines = ""
            for key in first..<min(first + 50, 1_000 + records) {
                lines +=
                    #"{"op":"put","collection":"c","key":"\#(key)","value":"\#(value)"}"# + "\n"
            }
            #expect(try client.request("POST", "/v1/bulk", lines).status == 200)
        }
    }

    /// The records that lines, applied in order, end in: from each key on to the line's end.
    private func state(_ text: String) -> [String: String] {
        var state: [String: String] = [:]
        for line in text.utf8.split(separator: UInt8(ascii: "\n")).compactMap(String.init) {
            guard let key = line.firstRange(of: "\"key\":\"") else { continue }
            let rest = line[key.upperBound...]
            let name = String(rest.prefix { $0 != "\"" })
            state[name] = line[..<key.lowerBound].contains("\"put\"") ? String(rest) : nil
        }
        return state
    }

    /// An export that is far from its end, since the sockets do not hold so much, and each of whose
    /// records is read in a transaction of its own.
    private func whileExporting(
        _ body:
            @escaping @Sendable (
                _ node: RecordsTestNode, _ reader: RawClient, _ writer: RawClient, _ head: String,
                _ first: String
            ) throws -> Void
    ) async throws {
        var limits = RecordsTestNode.fast
        limits.exportWindow = .zero
        try await RecordsTestNode.run(limits: limits) { node in
            let (reader, writer) = (try node.client(), try node.client())
            try fill(writer, records: 100, valueBytes: 100 << 10)
            try reader.send("GET /v1/export HTTP/1.1\r\nHost: h\r\n\r\n")
            try body(node, reader, writer, try reader.head(), try reader.chunk())
        }
    }

    @Test("a slow reader gets the rest in later read transactions, and the changes complete it")
    func slowReader() async throws {
        try await whileExporting { _, reader, writer, head, first in
            #expect(try writer.request("PUT", Self.path + "0999", "\"new\"").status == 200)
            #expect(try writer.request("PUT", Self.path + "1098", "\"changed\"").status == 200)
            #expect(try writer.request("DELETE", Self.path + "1099").status == 200)
            var body = first
            while true {
                let chunk = try reader.chunk()
                if chunk.isEmpty { break }
                body += chunk
            }
            let exported = state(body)
            #expect(exported["0999"] == nil, "its place was passed already")
            #expect(exported["1098"]?.suffix(20).contains("changed") == true)
            #expect(exported["1099"] == nil)
            let after = try #require(
                head.split(separator: "\r\n").first { $0.hasPrefix("Sanad-Sequence: ") })
            let changes = try writer.request(
                "GET", "/v1/changes?after=" + after.dropFirst("Sanad-Sequence: ".count))
            let whole = try writer.request("GET", "/v1/export")
            // Not compared inside the expectation, which would print all of it.
            let isComplete = state(body + changes.text) == state(whole.text)
            #expect(isComplete)
        }
    }

    @Test("an export that meets a cut ends without its end, though the records are whole again")
    func cutMeanwhile() async throws {
        try await whileExporting { node, reader, writer, _, _ in
            #expect(try writer.request("PUT", Self.path + "0999", "\"new\"").status == 200)
            try node.gate.cutLast()
            #expect(throws: (any Error).self) {
                while try !reader.chunk().isEmpty {}
            }
        }
    }

    @Test("an export outlives the table's own bound of a read transaction")
    func expiredSnapshots() async throws {
        var store = StoreOptions()
        store.readTransactionMaximum = .zero
        try await RecordsTestNode.run(store: store) { node in
            let client = try node.client()
            try fill(client, records: 1_000, valueBytes: 10)
            // The bound is looked at between rows of the table, not of memory.
            node.gate.table.requestFlush()
            let committed = Sequence(node.gate.status.committed)
            try blockUntil("the records are on the disk") {
                node.gate.table.flushedPosition.sequence >= committed
            }
            let export = try client.request("GET", "/v1/export")
            #expect(export.status == 200)
            #expect(export.text.split(separator: "\n").count == 1_000)
        }
    }
}
