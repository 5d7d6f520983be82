internal import SanadCore

/// Writes the bytes of a page, row by row, into one buffer.
struct RecordPageBuilder {
    private(set) var bytes: [UInt8] = []
    private(set) var rowCount: UInt32 = 0
    private let kind: RecordPage.Kind

    init(_ kind: RecordPage.Kind, after: [UInt8], capacity: Int) {
        self.kind = kind
        bytes.reserveCapacity(capacity)
        bytes.append(contentsOf: repeatElement(0, count: RecordPage.headerBytes))
        bytes.append(contentsOf: after)
        store(UInt32(after.count), 12)
    }

    mutating func append(
        name: UnsafeRawBufferPointer, sequence: UInt64, checksum: UInt64,
        value: UnsafeRawBufferPointer?
    ) {
        rowCount += 1
        withUnsafeTemporaryAllocation(byteCount: RecordPage.rowHeaderBytes, alignment: 8) {
            let presence: UInt16 = value == nil ? 0 : 1
            $0.storeBytes(of: UInt16(name.count).littleEndian, as: UInt16.self)
            $0.storeBytes(of: presence.littleEndian, toByteOffset: 2, as: UInt16.self)
            $0.storeBytes(
                of: UInt32(value?.count ?? 0).littleEndian, toByteOffset: 4, as: UInt32.self)
            $0.storeBytes(of: sequence.littleEndian, toByteOffset: 8, as: UInt64.self)
            $0.storeBytes(of: checksum.littleEndian, toByteOffset: 16, as: UInt64.self)
            bytes.append(contentsOf: UnsafeRawBufferPointer($0))
        }
        bytes.append(contentsOf: name)
        if let value { bytes.append(contentsOf: value) }
    }

    /// Ends the page.
    mutating func finish(position: Position, isLast: Bool) -> [UInt8] {
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
