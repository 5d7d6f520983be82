import SanadCore
import Testing

@Suite("Mutation and transaction documents")
struct JSONMutationParserTests {
    struct Parsed: Equatable {
        var operation: Operation
        var collection: String
        var key: String
        var value: String
    }

    static let accepted: [(String, Parsed)] = [
        (
            #"{"op":"put","collection":"pupils","key":"a","value":{ "x" : 1.0 }}"#,
            Parsed(operation: .put, collection: "pupils", key: "a", value: #"{ "x" : 1.0 }"#)
        ),
        (
            " { \"value\" : [1 ,2] , \"key\" : \"b/c\" ,\t\"op\":\"put\",\"collection\":\"c-_9\" }\r",
            Parsed(operation: .put, collection: "c-_9", key: "b/c", value: "[1 ,2]")
        ),
        (
            #"{"op":"delete","collection":"c","key":"k\u0065\ud83d\ude00\/é"}"#,
            Parsed(operation: .delete, collection: "c", key: "ke😀/é", value: "")
        ),
        (
            #"{"\u006fp":"pu\u0074","collection":"c","k\u0065y":"k","value":"\u0041"}"#,
            Parsed(operation: .put, collection: "c", key: "k", value: #""\u0041""#)
        ),
    ]

    static let refused: [(String, JSONError.Reason)] = [
        ("[]", .objectExpected),
        ("{}", .stringExpected),
        (#"{"op":"put","collection":"c","key":"k"}"#, .missingMember),
        (#"{"op":"put","collection":"c","value":1}"#, .missingMember),
        (#"{"op":"put","key":"k","value":1}"#, .missingMember),
        (#"{"collection":"c","key":"k","value":1}"#, .missingMember),
        (#"{"op":"PUT","collection":"c","key":"k","value":1}"#, .badOperation),
        (#"{"op":1,"collection":"c","key":"k","value":1}"#, .stringExpected),
        (#"{"op":"put","op":"put","collection":"c","key":"k","value":1}"#, .duplicateMember),
        (#"{"op":"put","collection":"c","key":"k","value":1,"x":2}"#, .unknownMember),
        (#"{"op":"delete","collection":"c","key":"k","value":1}"#, .valueOfDelete),
        (#"{"op":"put","collection":"C","key":"k","value":1}"#, .badCollection),
        (#"{"op":"put","collection":"\u0063","key":"k","value":1}"#, .badCollection),
        (#"{"op":"put","collection":"c","key":"","value":1}"#, .badKey),
        (#"{"op":"put","collection":"c","key":"\u0000","value":1}"#, .badKey),
        (#"{"op":"put","collection":"c","key":"\u0085","value":1}"#, .badKey),
        (#"{"op":"put","collection":"c","key":"k","value":1} x"#, .trailingBytes),
        (#"{"op":"put","collection":"c","key":"k","value":01}"#, .badNumber),
    ]

    @Test("lines are read, values byte for byte", arguments: accepted)
    func accepts(_ line: String, _ expected: Parsed) throws {
        #expect(try parse(Array(line.utf8)) == expected)
    }

    @Test("bad lines are refused", arguments: refused)
    func refuses(_ line: String, _ reason: JSONError.Reason) throws {
        let error = #expect(throws: JSONError.self) { _ = try parse(Array(line.utf8)) }
        #expect(error?.reason == reason)
    }

    @Test("every truncation of a line is refused")
    func truncations() {
        for (line, _) in Self.accepted {
            let bytes = Array(line.utf8)
            let end = bytes.lastIndex(of: UInt8(ascii: "}")) ?? 0
            for length in 0...end {
                #expect(throws: JSONError.self) { _ = try parse(Array(bytes[..<length])) }
            }
        }
    }

    @Test("the limits of keys and values hold to the byte")
    func limits() throws {
        func line(key: Int, value: Int) -> [UInt8] {
            let key = String(repeating: "k", count: key)
            let value = "\"" + String(repeating: "v", count: value - 2) + "\""
            return Array(#"{"op":"put","collection":"c","key":"\#(key)","value":\#(value)}"#.utf8)
        }
        #expect(try parse(line(key: Limits.keyBytesMaximum, value: 2)).key.utf8.count == 512)
        let longKey = #expect(throws: JSONError.self) {
            _ = try parse(line(key: Limits.keyBytesMaximum + 1, value: 2))
        }
        #expect(longKey?.reason == .badKey)
        _ = try parse(line(key: 1, value: Limits.valueBytesMaximum))
        let large = #expect(throws: JSONError.self) {
            _ = try parse(line(key: 1, value: Limits.valueBytesMaximum + 1))
        }
        #expect(large?.reason == .valueTooLarge)
        // An escaped key may be longer than its limit as text.
        let escaped = String(repeating: #"\u006b"#, count: Limits.keyBytesMaximum)
        let text = #"{"op":"delete","collection":"c","key":"\#(escaped)"}"#
        #expect(try parse(Array(text.utf8)).key.utf8.count == Limits.keyBytesMaximum)
        let beyond = #"{"op":"delete","collection":"c","key":"\#(escaped)x"}"#
        let tooLong = #expect(throws: JSONError.self) { _ = try parse(Array(beyond.utf8)) }
        #expect(tooLong?.reason == .badKey)
    }

    @Test("a transaction document is read with its conditions")
    func transaction() throws {
        let text = """
            {"conditions":[{"collection":"c","key":"k\\u0065","if":"absent"},
             {"if":42,"key":"b","collection":"d"},{"if":"present","key":"b","collection":"d"}],
             "mutations":[{"op":"put","collection":"c","key":"k","value":{"a": 1}},
             {"op":"delete","collection":"c","key":"x"}]}
            """
        let document = try transaction(text)
        var expected = TransactionBytes()
        expected.append(.put, collection: "c", key: "k", value: "{\"a\": 1}")
        expected.append(.delete, collection: "c", key: "x")
        #expect(document.transaction.bytes == expected.bytes)
        #expect(document.expectations.map(\.state) == [.absent, .sequence(Sequence(42)), .present])
        #expect(document.expectations.map(\.key) == [Array("ke".utf8), [0x62], [0x62]])
    }

    @Test(
        "bad transaction documents are refused",
        arguments: [
            ("{}", JSONError.Reason.stringExpected),
            (#"{"mutations":[]}"#, .noMutations),
            (#"{"conditions":[]}"#, .missingMember),
            (#"{"mutations":{}}"#, .arrayExpected),
            (#"{"mutations":[{"op":"delete","collection":"c","key":"k"}],"x":1}"#, .unknownMember),
            (
                #"{"mutations":[{"op":"delete","collection":"c","key":"k"}],"#
                    + #""conditions":[{"collection":"c","key":"k","if":0}]}"#, .badExpectation
            ),
            (
                #"{"mutations":[{"op":"delete","collection":"c","key":"k"}],"#
                    + #""conditions":[{"collection":"c","key":"k"}]}"#, .missingMember
            ),
            (#"{"mutations":[{"op":"delete","collection":"c","key":"k"}]}]"#, .trailingBytes),
        ])
    func badTransactions(_ text: String, _ reason: JSONError.Reason) {
        let error = #expect(throws: JSONError.self) { _ = try transaction(text) }
        #expect(error?.reason == reason)
    }

    @Test("a transaction has at most 10,000 mutations")
    func tooManyMutations() throws {
        func text(_ count: Int) -> String {
            let one = #"{"op":"delete","collection":"c","key":"k"}"#
            return "{\"mutations\":[" + Array(repeating: one, count: count).joined(separator: ",")
                + "]}"
        }
        let most = Limits.transactionMutationsMaximum
        #expect(try transaction(text(most)).transaction.mutationCount == most)
        let error = #expect(throws: JSONError.self) { _ = try transaction(text(most + 1)) }
        #expect(error?.reason == .tooManyMutations)
        #expect(error?.isTooLarge == true)
    }

    @Test("names follow their rules")
    func names() {
        func isCollection(_ text: String) -> Bool {
            Array(text.utf8).withUnsafeBytes(RecordNames.isCollection)
        }
        func isKey(_ bytes: [UInt8]) -> Bool { bytes.withUnsafeBytes(RecordNames.isKey) }
        #expect(isCollection("a"))
        #expect(isCollection("a" + String(repeating: "9", count: 62)))
        for bad in ["", "A", "9a", "-a", "a.b", "é", "a" + String(repeating: "9", count: 63)] {
            #expect(!isCollection(bad))
        }
        #expect(isKey(Array("أ/é 😀%~".utf8)))
        let badKeys: [[UInt8]] = [
            [], [0x1F], [0x7F], [0xC2, 0x9F], [0xC3], [0xFF], [0xED, 0xA0, 0x80],
        ]
        for bad in badKeys { #expect(!isKey(bad)) }
        #expect(isKey([0xC2, 0xA0]))
    }

    private func parse(_ bytes: [UInt8]) throws -> Parsed {
        var parser = MutationParser()
        return try bytes.withUnsafeBytes { line in
            let mutation = try parser.parse(line: line)
            return Parsed(
                operation: mutation.operation,
                collection: String(decoding: mutation.collection, as: UTF8.self),
                key: String(decoding: mutation.key, as: UTF8.self),
                value: String(decoding: mutation.value, as: UTF8.self))
        }
    }

    private func transaction(_ text: String) throws -> TransactionDocument {
        try Array(text.utf8).withUnsafeBytes { try TransactionDocument(parsing: $0) }
    }
}
