public import SanadCore

/// Values with a unit, as people write them in the configuration and on the command line.
public enum Units {
    private static let spanUnits: [(name: String, nanoseconds: UInt64)] = [
        ("h", 3_600_000_000_000), ("min", 60_000_000_000), ("s", 1_000_000_000),
        ("ms", 1_000_000),
    ]

    /// The unit of a size: binary ones by their own names, so that no one has to guess.
    private static let byteUnits: [(name: String, bytes: UInt64)] = [
        ("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10),
        ("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000),
        ("B", 1),
    ]

    /// Reads a whole number and a unit: `500ms`, `3s`, `2min`, `1h`. Nil for anything else.
    public static func span(_ text: String) -> Span? {
        guard let (count, unit) = split(text),
            let factor = spanUnits.first(where: { $0.name == unit })?.nanoseconds
        else { return nil }
        let (nanoseconds, overflow) = count.multipliedReportingOverflow(by: factor)
        return overflow ? nil : Span(nanoseconds: nanoseconds)
    }

    /// Reads a whole number and a unit: `64MiB`, `1GB`, `512B`. Nil for anything else.
    public static func bytes(_ text: String) -> UInt64? {
        guard let (count, unit) = split(text),
            let factor = byteUnits.first(where: { $0.name == unit })?.bytes
        else { return nil }
        let (bytes, overflow) = count.multipliedReportingOverflow(by: factor)
        return overflow ? nil : bytes
    }

    /// Reads `1%`, `0.5 %`: at most four decimals. The result is in parts per million.
    public static func partsPerMillion(_ text: String) -> UInt64? {
        guard text.last == "%" else { return nil }
        var digits = text.dropLast()
        while digits.last == " " { digits = digits.dropLast() }
        let parts = digits.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), let whole = number(parts[0]), whole <= 1_000_000
        else { return nil }
        guard parts.count == 2 else { return whole * 10_000 }
        guard (1...4).contains(parts[1].utf8.count), let fraction = number(parts[1])
        else { return nil }
        let scale = [1, 1_000, 100, 10, 1][parts[1].utf8.count]
        return whole * 10_000 + fraction * UInt64(scale)
    }

    /// Writes a span in its largest unit that needs no fraction, for example `1500ms`, `3s`.
    public static func text(_ span: Span) -> String {
        let unit = spanUnits.first {
            span.nanoseconds > 0 && span.nanoseconds.isMultiple(of: $0.nanoseconds)
        }
        guard let unit else {
            // Not a whole number of milliseconds: only results of arithmetic look like this.
            return span == .zero ? "0s" : "\(Double(span.nanoseconds / 1_000) / 1_000)ms"
        }
        return "\(span.nanoseconds / unit.nanoseconds)\(unit.name)"
    }

    /// Writes a size in its largest binary unit that needs no fraction, for example `64MiB`.
    public static func text(bytes: UInt64) -> String {
        let binary = byteUnits.prefix(4)
        let unit = binary.first { bytes > 0 && bytes.isMultiple(of: $0.bytes) }
        guard let unit else { return "\(bytes)B" }
        return "\(bytes / unit.bytes)\(unit.name)"
    }

    /// Writes parts per million as a percentage, for example `0.5 %`.
    public static func text(partsPerMillion: UInt64) -> String {
        let (whole, rest) = partsPerMillion.quotientAndRemainder(dividingBy: 10_000)
        guard rest > 0 else { return "\(whole) %" }
        var fraction = String(rest)
        fraction = String(repeating: "0", count: 4 - fraction.count) + fraction
        while fraction.last == "0" { fraction.removeLast() }
        return "\(whole).\(fraction) %"
    }

    /// A whole number without a sign; `UInt64.init` alone would take a leading `+`.
    static func number(_ text: some StringProtocol) -> UInt64? {
        guard text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
        else { return nil }
        return UInt64(text)
    }

    private static func split(_ text: String) -> (UInt64, String)? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let count = number(digits) else { return nil }
        let unit = text.dropFirst(digits.count).drop { $0 == " " }
        return (count, String(unit))
    }
}

extension Span {
    /// span × (1 + drift), rounded up.
    func withDrift(partsPerMillion: UInt64) -> Span {
        self + Span(nanoseconds: (nanoseconds * partsPerMillion + 999_999) / 1_000_000)
    }

    /// span ÷ (1 + drift), rounded down.
    func withoutDrift(partsPerMillion: UInt64) -> Span {
        // A day in nanoseconds times a million still fits 67 bits only in two words.
        let (high, low) = nanoseconds.multipliedFullWidth(by: 1_000_000)
        return Span(
            nanoseconds: (1_000_000 + partsPerMillion).dividingFullWidth((high, low)).quotient)
    }
}
