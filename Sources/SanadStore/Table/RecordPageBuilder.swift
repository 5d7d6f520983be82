internal import SanadCore

/// Writes the bytes of a page, row by row, into one buffer.
struct RecordPageBuilder {
    /// Zeros behind the first `byteCount`.
    private var bytes: [UInt8]
    private(set) var byteCount: Int
    private(set) var rowCount: UInt32 = 0
    private let kind: RecordPage.Kind

    init(_ kind: RecordPage.Kind, after: [UInt8], capacity: Int) {
        self.kind = kind
        byteCount = RecordPage.headerBytes + after.count
        bytes = [UInt8](repeating: 0, count: max(capacity, byteCount))
        bytes.replaceSubrange(RecordPage.headerBytes..<byteCount, with: after)
        store(UInt32(after.count), 12)
    }

    mutating func append(
        name: UnsafeRawBufferPointer, sequence: UInt64, checksum: UInt64,
        value: UnsafeRawBufferPointer?
    ) {
        rowCount += 1
        let start = byteCount
        let valueBytes = value?.count ?? 0
        byteCount += RecordPage.rowHeaderBytes + name.count + valueBytes
        if byteCount > bytes.count {
            bytes.append(contentsOf: repeatElement(0, count: max(bytes.count, byteCount)))
        }
        let presence: UInt16 = value == nil ? 0 : 1
        bytes.withUnsafeMutableBytes { bytes in
            let row = UnsafeMutableRawBufferPointer(rebasing: bytes[start...])
            row.storeBytes(of: UInt16(name.count).littleEndian, as: UInt16.self)
            row.storeBytes(of: presence.littleEndian, toByteOffset: 2, as: UInt16.self)
            row.storeBytes(of: UInt32(valueBytes).littleEndian, toByteOffset: 4, as: UInt32.self)
            row.storeBytes(of: sequence.littleEndian, toByteOffset: 8, as: UInt64.self)
            row.storeBytes(of: checksum.littleEndian, toByteOffset: 16, as: UInt64.self)
            let place = RecordPage.rowHeaderBytes
            UnsafeMutableRawBufferPointer(rebasing: row[place...]).copyMemory(from: name)
            guard let value else { return }
            UnsafeMutableRawBufferPointer(rebasing: row[(place + name.count)...])
                .copyMemory(from: value)
        }
    }

    /// Ends the page.
    mutating func finish(position: Position, isLast: Bool) -> [UInt8] {
        bytes.removeLast(bytes.count - byteCount)
        store(RecordPage.magic, 0)
        bytes[4] = RecordPage.version
        bytes[5] = kind.rawValue
        bytes[6] = isLast ? 1 : 0
        store(rowCount, 8)
        store(position.epoch.value, 16)
        store(position.sequence.value, 24)
        bytes.replaceSubrange(32..<64, with: position.hash.bytes)
        return bytes
    }

    private mutating func store<T: FixedWidthInteger>(_ value: T, _ offset: Int) {
        bytes.withUnsafeMutableBytes {
            $0.storeBytes(of: value.littleEndian, toByteOffset: offset, as: T.self)
        }
    }
}
