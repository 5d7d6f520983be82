import Foundation
import NIOHTTP1
import Testing

@testable import sanadctl

@Suite("What is written during an export")
struct ChangesTailTests {
    private static let page = Data(
        #"""
        {"sequence":7,"epoch":2,"op":"put","collection":"c","key":"k","value":{"op":"x","collection":"d"}}
        {"sequence":7,"epoch":2,"op":"delete","collection":"d","key":"\"op\":"}
        {"sequence":8,"epoch":2,"op":"put","collection":"cc","key":"k","value":",\"collection\":\"c\","}

        """#.utf8)

    @Test("changes become lines of an import")
    func lines() throws {
        var tail = try ChangesTail(["Sanad-Sequence": "6"], collection: nil)
        let lines = String(decoding: tail.importLines(of: Self.page), as: UTF8.self)
        #expect(
            lines == #"""
                {"op":"put","collection":"c","key":"k","value":{"op":"x","collection":"d"}}
                {"op":"delete","collection":"d","key":"\"op\":"}
                {"op":"put","collection":"cc","key":"k","value":",\"collection\":\"c\","}

                """#)
        #expect(tail.lines == 3)
    }

    @Test("only those of the collection, whatever keys and values hold")
    func oneCollection() throws {
        var tail = try ChangesTail(["Sanad-Sequence": "6"], collection: "c")
        let lines = String(decoding: tail.importLines(of: Self.page), as: UTF8.self)
        #expect(
            lines
                == #"{"op":"put","collection":"c","key":"k","value":{"op":"x","collection":"d"}}"#
                + "\n")
        #expect(throws: Failure.self) { try ChangesTail([:], collection: nil) }
    }
}
