import SanadCore
import Testing

@Suite("JSON scanner")
struct JSONScannerTests {
    static let documents = [
        #"{"code":"01.051","nom":"Chefchaouen","أ":[1,-0.5e+3,true,false,null,{"x":{}}]}"#,
        #"[ "\u0041\n\\\"\/\b\f\r\t", "\ud83d\ude00", "😀é", [], {} , 0, -0, 10, 1E5, 1.25e-7 ]"#,
        "  \"a string that is longer than eight bytes, with a \u{1F600} in it\"\r\n\t ",
        "0", "-1", "true", "null", "\"\"", "[[[[[[]]]]]]",
    ]

    static let refused: [(String, JSONError)] = [
        ("", JSONError(offset: 0, reason: .unexpectedEnd)),
        ("   ", JSONError(offset: 3, reason: .unexpectedEnd)),
        ("{\"a\":1,}", JSONError(offset: 7, reason: .stringExpected)),
        ("{a:1}", JSONError(offset: 1, reason: .stringExpected)),
        ("[1,]", JSONError(offset: 3, reason: .unexpectedByte)),
        ("[1 2]", JSONError(offset: 3, reason: .unexpectedByte)),
        ("[1}", JSONError(offset: 2, reason: .unexpectedByte)),
        ("01", JSONError(offset: 1, reason: .badNumber)),
        ("-", JSONError(offset: 1, reason: .unexpectedEnd)),
        ("-a", JSONError(offset: 1, reason: .badNumber)),
        ("1.", JSONError(offset: 2, reason: .unexpectedEnd)),
        ("1.e5", JSONError(offset: 2, reason: .badNumber)),
        ("+1", JSONError(offset: 0, reason: .unexpectedByte)),
        ("NaN", JSONError(offset: 0, reason: .unexpectedByte)),
        ("truE", JSONError(offset: 3, reason: .unexpectedByte)),
        ("1 1", JSONError(offset: 2, reason: .trailingBytes)),
        ("\"\\x\"", JSONError(offset: 1, reason: .badEscape)),
        ("\"\\u12G4\"", JSONError(offset: 5, reason: .badEscape)),
        ("\"\\ud800\"", JSONError(offset: 1, reason: .loneSurrogate)),
        ("\"\\udc00\"", JSONError(offset: 1, reason: .loneSurrogate)),
        ("\"\\ud800\\u0041\"", JSONError(offset: 1, reason: .loneSurrogate)),
        ("\"a\u{01}\"", JSONError(offset: 2, reason: .controlCharacter)),
        ("\"eight by\nte\"", JSONError(offset: 9, reason: .controlCharacter)),
        ("\u{FEFF}1", JSONError(offset: 0, reason: .unexpectedByte)),
    ]

    @Test("well-formed documents pass", arguments: documents)
    func accepts(_ document: String) throws { try validate(Array(document.utf8)) }

    @Test("malformed documents are refused at the right byte", arguments: refused)
    func refuses(_ document: String, _ error: JSONError) {
        #expect(throws: error) { try validate(Array(document.utf8)) }
    }

    @Test(
        "ill-formed UTF-8 in a string is refused",
        arguments: [
            [0x80], [0xC0, 0x80], [0xC1, 0xBF], [0xC3], [0xE0, 0x80, 0x80], [0xE2, 0x82],
            [0xED, 0xA0, 0x80], [0xF0, 0x80, 0x80, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80],
            [0xFF],
        ] as [[UInt8]])
    func refusesBadUTF8(_ bytes: [UInt8]) {
        for padding in 0..<10 {
            let prefix = [UInt8](repeating: 0x61, count: padding)
            #expect(throws: JSONError(offset: 1 + padding, reason: .invalidUTF8)) {
                try validate([0x22] + prefix + bytes + [0x22])
            }
        }
    }

    @Test("every truncation of a document is refused, except at its end's white space")
    func truncations() {
        for document in Self.documents {
            let bytes = Array(document.utf8)
            let full = document.last.map { "0123456789".contains($0) } == true
            for length in 0..<bytes.count where !full {
                let cut = Array(bytes[..<length])
                let rest = bytes[length...]
                if rest.allSatisfy({ [0x20, 0x0A, 0x0D, 0x09].contains($0) }) { continue }
                #expect(throws: JSONError.self, "\(length) bytes of \(document)") {
                    try validate(cut)
                }
            }
        }
    }

    @Test("no flipped bit makes the scanner read beyond the bytes or accept bad UTF-8")
    func flips() {
        for document in Self.documents {
            var bytes = Array(document.utf8)
            for index in bytes.indices {
                for bit in 0..<8 {
                    bytes[index] ^= 1 << UInt8(bit)
                    if (try? validate(bytes)) != nil {
                        #expect(String(validating: bytes, as: UTF8.self) != nil)
                    }
                    bytes[index] ^= 1 << UInt8(bit)
                }
            }
        }
    }

    @Test("a special byte is found at every place of a word")
    func specialBytesAtEveryPlace() {
        for length in 0..<40 {
            for (byte, reason) in [
                (0x1F as UInt8, JSONError.Reason.controlCharacter), (0x80, .invalidUTF8),
            ] {
                var bytes: [UInt8] = [0x22] + [UInt8](repeating: 0x7F, count: length)
                bytes += [byte, 0x61, 0x61, 0x61, 0x61, 0x61, 0x61, 0x61, 0x61, 0x22]
                #expect(throws: JSONError(offset: length + 1, reason: reason)) {
                    try validate(bytes)
                }
            }
        }
    }

    @Test("nesting is bounded")
    func depth() throws {
        let deepest = Limits.jsonDepthMaximum
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let start = String(repeating: open, count: deepest)
            let end = String(repeating: close, count: deepest)
            try validate(Array((start + "1" + end).utf8))
            #expect(
                throws: JSONError(offset: deepest * open.utf8.count, reason: .tooDeep)
            ) { try validate(Array((start + "[]" + end).utf8)) }
        }
    }
}

func validate(_ bytes: [UInt8]) throws {
    try bytes.withUnsafeBytes { try JSONScanner.validate($0) }
}
