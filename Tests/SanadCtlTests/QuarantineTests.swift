import Foundation
import SanadCore
import Testing

@testable import sanadctl

@Suite("Quarantine and history")
struct QuarantineTests {
    private func lines(
        _ mutations: [(operation: SanadCore.Operation, key: String, value: String)]
    ) -> [String] {
        var transaction = TransactionBytes()
        for (operation, key, value) in mutations {
            Array("pupils".utf8).withUnsafeBytes { collection in
                Array(key.utf8).withUnsafeBytes { key in
                    Array(value.utf8).withUnsafeBytes { value in
                        transaction.append(
                            operation, collection: collection, key: key, value: value)
                    }
                }
            }
        }
        var bytes: [UInt8] = []
        transaction.forEachMutation { BulkLine.append($0, to: &bytes) }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    @Test("one line a mutation, in the format of import, values byte for byte")
    func bulkLines() {
        let result = lines([
            (.put, "1", "{ \"n\" : 1.50e+1 }"), (.delete, "a\"b\\c", ""),
            (.put, "é/2", "[1,\r\n 2]"),
        ])
        #expect(
            result == [
                #"{"op":"put","collection":"pupils","key":"1","value":{ "n" : 1.50e+1 }}"#,
                #"{"op":"delete","collection":"pupils","key":"a\"b\\c"}"#,
                #"{"op":"put","collection":"pupils","key":"é/2","value":[1,   2]}"#,
            ])
        for line in result {
            #expect((try? JSONSerialization.jsonObject(with: Data(line.utf8))) != nil)
        }
    }

    @Test("an entry's file is found by its number, whatever the reason says")
    func fileNames() {
        let lines = [
            "1: 5 transactions, sequences 3-7, epochs 1-1, 99 bytes, at 5 s after 1970, cut, file a",
            "12: 5 transactions, at 5 s after 1970, odd, file x, file 00012.db",
            "store-17: a store kept, 12 bytes",
        ]
        #expect(QuarantineFile.name(of: 1, in: lines) == "a")
        #expect(QuarantineFile.name(of: 12, in: lines) == "00012.db")
        #expect(QuarantineFile.name(of: 2, in: lines) == nil)
    }

    @Test("both sites' histories in one list, oldest first, an epoch once")
    func history() {
        let epoch = "epoch 1 rabat from sequence 0 at 100 s after 1970: new cluster"
        let merged = HistoryMerge.lines([
            (
                "rabat",
                [
                    "epoch 1 rabat from sequence 0 at 100 s after 1970: ",
                    "audit 3 at 300 s after 1970 by amina: fence: smoke",
                    "audit 2 at 300 s after 1970 by amina: pause: smoke",
                ]
            ),
            (
                "marrakech",
                [
                    epoch, "epoch 2 marrakech from sequence 9 at 301 s after 1970: grant expired",
                    "audit 1 at 200 s after 1970 by karim: pause: storm",
                ]
            ),
        ])
        #expect(
            merged == [
                epoch, "marrakech: audit 1 at 200 s after 1970 by karim: pause: storm",
                "rabat: audit 2 at 300 s after 1970 by amina: pause: smoke",
                "rabat: audit 3 at 300 s after 1970 by amina: fence: smoke",
                "epoch 2 marrakech from sequence 9 at 301 s after 1970: grant expired",
            ])
    }
}
