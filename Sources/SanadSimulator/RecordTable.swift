internal import SanadCore

/// The records of one store, on a few keys, so that writes meet.
///
/// Pages and names have an encoding of the simulator's own: a row is key (1), presence (1), sequence
/// (8) and value (8).
struct RecordTable: Equatable {
    struct Row: Equatable {
        var sequence: Sequence
        var value: UInt64
    }

    static let keyCount = 16
    private static let firstKey = UInt8(ascii: "a")
    private static let rowBytes = 18

    private(set) var rows = [Row?](repeating: nil, count: keyCount)

    static func keyText(_ key: Int) -> String {
        String(UnicodeScalar(firstKey + UInt8(key)))
    }

    static func name(_ key: Int) -> RecordName? {
        RecordName(bytes: [UInt8(ascii: "c"), UInt8(ascii: "\t"), firstKey + UInt8(key)])
    }

    static func key(_ name: RecordName) -> Int { Int(name.key[0] - firstKey) }

    /// Where a page that ends with this key goes on.
    static func cursor(_ key: Int) -> [UInt8] { [firstKey + UInt8(key)] }

    /// Applies what the rows do not have yet: each is guarded by its sequence.
    mutating func apply(_ frame: Frame) {
        frame.forEachMutation { sequence, mutation in
            let key = Int(mutation.key[0] - Self.firstKey)
            if let row = rows[key], row.sequence >= sequence { return }
            rows[key] =
                mutation.operation == .delete
                ? nil : Row(sequence: sequence, value: Self.number(mutation.value))
        }
    }

    /// The keys that a frame changes.
    static func keys(of frame: Frame) -> Set<Int> {
        var keys: Set<Int> = []
        frame.forEachMutation { keys.insert(Int($1.key[0] - firstKey)) }
        return keys
    }

    private static func number(_ digits: UnsafeRawBufferPointer) -> UInt64 {
        digits.reduce(0) { $0 &* 10 &+ UInt64($1 - UInt8(ascii: "0")) }
    }

    // MARK: Pages

    /// The page after `key` (nil: from the start) with at most `count` rows.
    func page(after key: [UInt8]?, count: Int) -> (bytes: [UInt8], last: [UInt8]?, isLast: Bool) {
        let start = key.map { Int($0[0] - Self.firstKey) + 1 } ?? 0
        let found = (start..<Self.keyCount).filter { rows[$0] != nil }
        let taken = found.prefix(count)
        let bytes = taken.flatMap(encoded)
        return (bytes, taken.last.map(Self.cursor), taken.count == found.count)
    }

    /// The state of the named records, absent ones included.
    func rows(of names: [RecordName]) -> [UInt8] { names.map(Self.key).flatMap(encoded) }

    private func encoded(_ key: Int) -> [UInt8] {
        let row = rows[key]
        var bytes = [Self.firstKey + UInt8(key), row == nil ? 0 : 1]
        for number in [row?.sequence.value ?? 0, row?.value ?? 0] {
            for shift in stride(from: UInt64(0), to: 64, by: 8) {
                bytes.append(UInt8(truncatingIfNeeded: number >> shift))
            }
        }
        return bytes
    }

    /// Puts a page's rows in place of what the table has.
    ///
    /// - Returns: the keys that were replaced.
    mutating func replace(_ bytes: [UInt8]) -> [Int] {
        var keys: [Int] = []
        for start in stride(from: 0, to: bytes.count, by: Self.rowBytes) {
            let key = Int(bytes[start] - Self.firstKey)
            let sequence = Self.integer(bytes[(start + 2)..<(start + 10)])
            let value = Self.integer(bytes[(start + 10)..<(start + 18)])
            rows[key] =
                bytes[start + 1] == 0 ? nil : Row(sequence: Sequence(sequence), value: value)
            keys.append(key)
        }
        return keys
    }

    private static func integer(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
}
