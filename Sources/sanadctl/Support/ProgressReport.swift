import Foundation

/// Progress of long work on standard error: rate, and how long it will still take.
struct ProgressReport: Sendable {
    private let start = ContinuousClock.now
    private let isShown: Bool
    private let isTerminal = Terminal.errorIsTerminal

    /// - Parameter force: report even when standard error is no terminal; one line a report then.
    init(force: Bool, quiet: Bool = false) {
        isShown = !quiet && (force || Terminal.errorIsTerminal)
    }

    var elapsedSeconds: Double {
        let duration = start.duration(to: .now).components
        return Double(duration.seconds) + Double(duration.attoseconds) / 1e18
    }

    /// - Parameters:
    ///   - fraction: the part that is done, 0 to 1; nil when the whole is not known.
    func show(count: UInt64, unit: String, bytes: UInt64?, fraction: Double?) {
        guard isShown else { return }
        let line = Self.line(
            count: count, unit: unit, bytes: bytes, fraction: fraction, seconds: elapsedSeconds)
        if isTerminal { Terminal.progress(line) } else { Terminal.error(line) }
    }

    func end() {
        if isShown, isTerminal { Terminal.endProgress() }
    }

    static func line(
        count: UInt64, unit: String, bytes: UInt64?, fraction: Double?, seconds: Double
    ) -> String {
        var parts = ["\(Text.count(count)) \(unit)"]
        if let bytes { parts.append(Text.bytes(bytes)) }
        if seconds >= 0.1 { parts.append("\(rate(count, seconds)) \(unit)/s") }
        if let fraction {
            parts.append("\(Text.decimal(fraction * 100, 0)) %")
            // Before this, the estimate says more about the start than about the whole.
            if fraction > 0.01, fraction < 1, seconds > 1 {
                parts.append("about \(Text.seconds(seconds * (1 - fraction) / fraction)) left")
            }
        }
        return parts.joined(separator: ", ")
    }

    static func rate(_ count: UInt64, _ seconds: Double) -> String {
        guard seconds > 0 else { return "0" }
        return Text.count(UInt64(min(Double(count) / seconds, 1e15)))
    }
}
