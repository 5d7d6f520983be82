import SanadCore

/// The parameters of a request; one that is not known or not understood is refused, for a probe
/// with a misspelt limit would pass for ever.
struct OperationsQuery {
    struct Failure: Error {
        var detail: String
    }

    private var items: [(name: String, value: String?)] = []

    /// Reads a raw query.
    init(_ query: String?, known: [String]) throws(Failure) {
        for part in (query ?? "").split(separator: "&") {
            let pieces = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = pieces.first?.removingPercent, known.contains(name) else {
                throw Failure(detail: "There is no parameter \"\(pieces.first ?? "")\" here.")
            }
            var value: String?
            if pieces.count == 2 {
                guard let decoded = pieces[1].removingPercent else {
                    throw Failure(detail: "The value of \"\(name)\" is badly encoded.")
                }
                value = decoded
            }
            items.append((name, value))
        }
    }

    func values(_ name: String) -> [String] {
        items.filter { $0.name == name }.map { $0.value ?? "" }
    }

    /// A parameter that is there or not, with no value or with `true` or `false`.
    func flag(_ name: String) throws(Failure) -> Bool {
        guard let value = try single(name) else { return false }
        switch value {
        case "", "true", "1": return true
        case "false", "0": return false
        default: throw Failure(detail: "\"\(name)\" is \"true\" or \"false\".")
        }
    }

    func count(_ name: String) throws(Failure) -> UInt64? {
        guard let text = try single(name) else { return nil }
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let count = UInt64(text)
        else { throw Failure(detail: "\"\(name)\" is a number of bytes, in digits.") }
        return count
    }

    func number(_ name: String) throws(Failure) -> Double? {
        guard let text = try single(name) else { return nil }
        guard !text.isEmpty,
            text.utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == UInt8(ascii: ".") }),
            let number = Double(text), number.isFinite
        else { throw Failure(detail: "\"\(name)\" is a number of seconds, such as 5 or 0.5.") }
        return number
    }

    private func single(_ name: String) throws(Failure) -> String? {
        let values = values(name)
        guard values.count <= 1 else {
            throw Failure(detail: "The parameter \"\(name)\" is there twice.")
        }
        return values.first
    }
}

extension Substring {
    /// Percent-decoded; nil when that is not possible.
    fileprivate var removingPercent: String? {
        var bytes: [UInt8] = []
        var rest = utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.popFirst().flatMap(JSONScanner.hexadecimalDigit),
                let low = rest.popFirst().flatMap(JSONScanner.hexadecimalDigit)
            else { return nil }
            bytes.append(high << 4 | low)
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
