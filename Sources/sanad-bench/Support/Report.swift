import Glibc

/// Named results in the order in which they were found.
///
/// Printed as `name value` lines, which a shell script reads as easily as a person, or as JSON.
struct Report {
    enum Value {
        case count(UInt64)
        case number(Double)
        case text(String)
    }

    private(set) var entries: [(name: String, value: Value)] = []

    mutating func add(_ name: String, _ count: UInt64) { entries.append((name, .count(count))) }

    mutating func add(_ name: String, _ number: Double) { entries.append((name, .number(number))) }

    mutating func add(_ name: String, _ text: String) { entries.append((name, .text(text))) }

    func show(json: Bool) {
        if json {
            let members = entries.map { "\"\($0.name)\":\(Self.json($0.value))" }
            line("{" + members.joined(separator: ",") + "}")
            return
        }
        for entry in entries { line("\(entry.name) \(Self.plain(entry.value))") }
    }

    private static func plain(_ value: Value) -> String {
        switch value {
        case .count(let count): String(count)
        case .number(let number): decimal(number, places: 3)
        case .text(let text): text
        }
    }

    /// The texts of a report are names and addresses: only quotes and backslashes need care.
    private static func json(_ value: Value) -> String {
        guard case .text(let text) = value else { return plain(value) }
        let escaped = text.flatMap { $0 == "\"" || $0 == "\\" ? ["\\", $0] : [$0] }
        return "\"" + String(escaped) + "\""
    }
}

/// Writes one line to standard output at once, so that a long run shows each step as it ends.
func line(_ text: String) {
    print(text)
    fflush(nil)
}

/// A number with a fixed count of decimal places, without a locale.
func decimal(_ number: Double, places: Int) -> String {
    guard number.isFinite else { return "-" }
    var scale = 1.0
    for _ in 0..<places { scale *= 10 }
    let scaled = (abs(number) * scale).rounded()
    let whole = (scaled / scale).rounded(.down)
    let sign = number < 0 && scaled > 0 ? "-" : ""
    guard places > 0 else { return sign + String(UInt64(whole)) }
    let fraction = String(UInt64(scaled - whole * scale))
    return sign + String(UInt64(whole)) + "."
        + String(repeating: "0", count: places - fraction.utf8.count) + fraction
}

/// A whole number with a comma between thousands.
func grouped(_ number: Double) -> String {
    let digits = Array(String(UInt64(max(0, number.rounded()))))
    var text = ""
    for (index, digit) in digits.enumerated() {
        if index > 0, (digits.count - index).isMultiple(of: 3) { text.append(",") }
        text.append(digit)
    }
    return text
}
