import SanadCore
import Testing

@testable import SanadNode

@Suite("Values with units")
struct ConfigurationUnitsTests {
    @Test(
        "Durations",
        arguments: [
            ("500ms", 500_000_000), ("3s", 3_000_000_000), ("2 min", 120_000_000_000),
            ("1h", 3_600_000_000_000), ("0s", 0), ("3", nil), ("3 seconds", nil), ("-3s", nil),
            ("+3s", nil), ("1.5s", nil), ("", nil), ("s", nil), ("99999999999999999999s", nil),
            ("18446744073709551615h", nil), ("٣s", nil),
        ] as [(String, UInt64?)])
    func spans(text: String, nanoseconds: UInt64?) {
        #expect(Units.span(text)?.nanoseconds == nanoseconds)
    }

    @Test(
        "Sizes",
        arguments: [
            ("64MiB", 64 << 20), ("1 GiB", 1 << 30), ("1GB", 1_000_000_000), ("512B", 512),
            ("1KiB", 1_024), ("64", nil), ("64mb", nil), ("-1MiB", nil), ("99999999TiB", nil),
        ] as [(String, UInt64?)])
    func sizes(text: String, bytes: UInt64?) {
        #expect(Units.bytes(text) == bytes)
    }

    @Test(
        "Percentages, in parts per million",
        arguments: [
            ("1%", 10_000), ("1 %", 10_000), ("0.5 %", 5_000), ("0.0001%", 1), ("100%", 1_000_000),
            ("0.00001%", nil), ("1", nil), ("%", nil), (".5%", nil), ("1.%", nil), ("1.2.3%", nil),
            ("-1%", nil),
        ] as [(String, UInt64?)])
    func percentages(text: String, parts: UInt64?) {
        #expect(Units.partsPerMillion(text) == parts)
    }

    @Test("What is written is read as the same value")
    func roundTrip() {
        for nanoseconds: UInt64 in [0, 1_000_000, 1_500_000_000, 3_000_000_000, 60_000_000_000] {
            let span = Span(nanoseconds: nanoseconds)
            #expect(Units.span(Units.text(span)) == span)
        }
        for bytes: UInt64 in [0, 1, 1_000, 1_024, 64 << 20, 3 << 40] {
            #expect(Units.bytes(Units.text(bytes: bytes)) == bytes)
        }
        for parts: UInt64 in [0, 1, 5_000, 10_000, 123_456] {
            #expect(Units.partsPerMillion(Units.text(partsPerMillion: parts)) == parts)
        }
    }

    @Test(
        "Addresses",
        arguments: [
            ("0.0.0.0:7400", "0.0.0.0", 7_400), ("[::1]:7400", "::1", 7_400),
            ("rabat.example.org:1", "rabat.example.org", 1),
        ])
    func endpoints(text: String, host: String, port: Int) {
        #expect(Endpoint(text) == Endpoint(host: host, port: port))
        #expect(Endpoint(text)?.description == text)
    }

    @Test(
        "What is no address",
        arguments: [
            "", "host", ":7400", "host:", "host:0", "host:65536", "::1:7400", "[x]:1", "a b:1",
        ])
    func noEndpoints(text: String) {
        #expect(Endpoint(text) == nil)
    }
}
