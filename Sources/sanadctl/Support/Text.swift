import Foundation
import SanadCore

/// Figures as people read them.
enum Text {
    /// Digits in groups of three: `1,234,567`.
    static func count(_ value: UInt64) -> String {
        var text = ""
        for (index, digit) in String(value).reversed().enumerated() {
            if index > 0, index.isMultiple(of: 3) { text.append(",") }
            text.append(digit)
        }
        return String(text.reversed())
    }

    /// Three or four digits and a binary unit: `12.3 MiB`.
    static func bytes(_ value: UInt64) -> String {
        var amount = Double(value)
        for unit in ["bytes", "KiB", "MiB", "GiB"] {
            if amount < 1_024 {
                return unit == "bytes" ? "\(value) bytes" : "\(decimal(amount, 1)) \(unit)"
            }
            amount /= 1_024
        }
        return "\(decimal(amount, 1)) TiB"
    }

    /// `0.4 s`, `2 min 5 s`, `3 h 20 min`, `12 days`.
    static func seconds(_ value: Double) -> String {
        guard value >= 60 else { return "\(decimal(max(0, value), 1)) s" }
        let whole = UInt64(min(value, 1e15))
        switch whole {
        case ..<3_600: return "\(whole / 60) min \(whole % 60) s"
        case ..<172_800: return "\(whole / 3_600) h \(whole % 3_600 / 60) min"
        default: return "\(whole / 86_400) days"
        }
    }

    static func decimal(_ value: Double, _ digits: Int) -> String {
        String(format: "%.\(digits)f", value)
    }

    /// `epoch/sequence/first digits of the hash`, as positions are written everywhere.
    static func position(epoch: UInt64, sequence: UInt64, hash: String) -> String {
        "\(epoch)/\(sequence)/\(hash.prefix(8))"
    }

    /// A point in time, in UTC.
    static func time(unixSeconds: Int64) -> String {
        let date = Date(timeIntervalSince1970: TimeInterval(unixSeconds))
        return date.formatted(.iso8601)
    }

    /// Two columns, the second one aligned.
    static func table(_ rows: [(String, String)]) -> String {
        let width = (rows.map(\.0.count).max() ?? 0) + 2
        return rows.map { name, value in
            name + String(repeating: " ", count: width - name.count) + value
        }.joined(separator: "\n")
    }

    /// Columns, each as wide as its widest cell; figures to the right.
    static func columns(_ rows: [[String]], right: Set<Int> = []) -> String {
        let count = rows.map(\.count).max() ?? 0
        let widths = (0..<count).map { column in
            rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
        }
        return rows.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                line += right.contains(column) ? padding + cell : cell + padding
                if column < row.count - 1 { line += "  " }
            }
            while line.last == " " { line.removeLast() }
            return line
        }.joined(separator: "\n")
    }
}
