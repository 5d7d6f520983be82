public import SanadCore

/// Rows of a primary's record table at one position, as the bytes that travel to the peer and are
/// written to its table. Byte table: `docs/formats/store.md`.
///
/// A value of this type is well formed, whoever made the bytes: names are names and strictly
/// ascend, checksums match, and sequences are not beyond the position.
public struct RecordPage: Hashable, Sendable {
    public enum Kind: UInt8, Sendable {
        /// All live records whose names follow `after`, up to a number of bytes.
        case range = 1
        /// One row for each name that was asked for; a record that does not exist is marked so.
        case names = 2
    }

    public let bytes: [UInt8]
    public let kind: Kind
    /// No record follows; always false for `names`.
    public let isLast: Bool
    public let rowCount: Int
    /// The state of which the rows are a part.
    public let position: Position
    /// The name, as the table stores it, after which the rows were read; nil from the start on.
    public let after: [UInt8]?
    /// The last row's name; nil without rows.
    public let lastName: [UInt8]?

    static let magic: UInt32 = 0x3150_4E53
    static let version: UInt8 = 1
    static let headerBytes = 64
    static let rowHeaderBytes = 24

    /// Takes bytes that came from a peer.
    public init(decoding bytes: [UInt8]) throws(RecordPageError) {
        guard bytes.count <= Limits.recordPageBytesMaximum else { throw .tooLarge }
        var outcome = Result<Parsed, RecordPageError>.failure(.truncated)
        bytes.withUnsafeBytes { bytes in
            do throws(RecordPageError) {
                outcome = .success(try Parsed(bytes))
            } catch {
                outcome = .failure(error)
            }
        }
        let parsed = try outcome.get()
        self.bytes = bytes
        kind = parsed.kind
        isLast = parsed.isLast
        rowCount = parsed.rowCount
        position = parsed.position
        after = parsed.after
        lastName = parsed.lastName
    }

    /// The names of all rows, in order.
    public func names() -> [RecordName] {
        var names: [RecordName] = []
        names.reserveCapacity(rowCount)
        bytes.withUnsafeBytes { bytes in
            var rows = RowIterator(bytes, from: firstRow)
            while let row = rows.next() {
                if let name = RecordName(bytes: [UInt8](row.name)) { names.append(name) }
            }
        }
        return names
    }

    /// Where the first row begins.
    private var firstRow: Int { Self.headerBytes + (after?.count ?? 0) }

    /// Calls `body` with each row, in the order of names.
    func forEachRow(
        _ body: (RecordPageRow) throws(StoreError) -> Void
    ) throws(StoreError) {
        var failure: StoreError?
        bytes.withUnsafeBytes { bytes in
            var rows = RowIterator(bytes, from: firstRow)
            while let row = rows.next() {
                do throws(StoreError) {
                    try body(row)
                } catch {
                    failure = error
                    return
                }
            }
        }
        if let failure { throw failure }
    }
}

/// Why bytes are not a page of rows.
public enum RecordPageError: Error, Equatable, Sendable {
    case tooLarge
    case truncated
    case badMagic
    case unsupportedVersion(UInt8)
    case malformedHeader
    /// The row with this number, from zero.
    case malformedRow(Int)
    case namesNotAscending(Int)
    case badChecksum(Int)
}

/// One row of a page, a view into its bytes.
struct RecordPageRow {
    var name: UnsafeRawBufferPointer
    /// Nil: there is no such record.
    var value: UnsafeRawBufferPointer?
    var sequence: UInt64
    var checksum: UInt64
}

/// Goes through the rows of a well-formed page.
private struct RowIterator {
    private let bytes: UnsafeRawBufferPointer
    private var offset: Int

    init(_ bytes: UnsafeRawBufferPointer, from offset: Int) {
        self.bytes = bytes
        self.offset = offset
    }

    mutating func next() -> RecordPageRow? {
        guard offset < bytes.count else { return nil }
        let nameBytes = Int(bytes.number(offset, as: UInt16.self))
        let valueBytes = Int(bytes.number(offset + 4, as: UInt32.self))
        let name = offset + RecordPage.rowHeaderBytes
        let value = name + nameBytes
        defer { offset = value + valueBytes }
        return RecordPageRow(
            name: UnsafeRawBufferPointer(rebasing: bytes[name..<value]),
            value: bytes[offset + 2] == 1
                ? UnsafeRawBufferPointer(rebasing: bytes[value..<(value + valueBytes)]) : nil,
            sequence: bytes.number(offset + 8, as: UInt64.self),
            checksum: bytes.number(offset + 16, as: UInt64.self))
    }
}

/// What a first reading of a page finds; it checks everything, so that nobody has to afterwards.
private struct Parsed {
    let kind: RecordPage.Kind
    let isLast: Bool
    let rowCount: Int
    let position: Position
    let after: [UInt8]?
    let lastName: [UInt8]?

    init(_ bytes: UnsafeRawBufferPointer) throws(RecordPageError) {
        guard bytes.count >= RecordPage.headerBytes else { throw .truncated }
        guard bytes.number(0, as: UInt32.self) == RecordPage.magic else { throw .badMagic }
        guard bytes[4] == RecordPage.version else { throw .unsupportedVersion(bytes[4]) }
        guard let kind = RecordPage.Kind(rawValue: bytes[5]), bytes[6] <= 1, bytes[7] == 0 else {
            throw .malformedHeader
        }
        self.kind = kind
        isLast = bytes[6] == 1
        let epoch = bytes.number(16, as: UInt64.self)
        let sequence = bytes.number(24, as: UInt64.self)
        let afterBytes = Int(bytes.number(12, as: UInt32.self))
        guard epoch <= UInt64(Int64.max), sequence <= UInt64(Int64.max),
            afterBytes <= Limits.recordNameBytesMaximum,
            kind == .range || (afterBytes == 0 && !isLast)
        else { throw .malformedHeader }
        position = Position(
            epoch: Epoch(epoch), sequence: Sequence(sequence),
            hash: ChainHash(bytes: UnsafeRawBufferPointer(rebasing: bytes[32..<64])))
        let start = RecordPage.headerBytes + afterBytes
        guard start <= bytes.count else { throw .truncated }
        let after = UnsafeRawBufferPointer(rebasing: bytes[RecordPage.headerBytes..<start])
        guard after.isEmpty || StoredName.isWellFormed(after) else { throw .malformedHeader }
        self.after = after.isEmpty ? nil : [UInt8](after)
        rowCount = Int(bytes.number(8, as: UInt32.self))
        let last = try Self.checkRows(bytes, start, after, kind, rowCount, sequence)
        guard rowCount > 0 || isLast || kind == .names else { throw .malformedHeader }
        lastName = rowCount > 0 ? [UInt8](last) : nil
    }

    /// - Returns: the last row's name, or `after` without rows.
    private static func checkRows(
        _ bytes: UnsafeRawBufferPointer, _ start: Int, _ after: UnsafeRawBufferPointer,
        _ kind: RecordPage.Kind, _ count: Int, _ highest: UInt64
    ) throws(RecordPageError) -> UnsafeRawBufferPointer {
        var last = after
        var offset = start
        for number in 0..<count {
            let left = bytes.count - offset
            guard left >= RecordPage.rowHeaderBytes else { throw .truncated }
            let nameBytes = Int(bytes.number(offset, as: UInt16.self))
            let presence = bytes[offset + 2]
            let valueBytes = Int(bytes.number(offset + 4, as: UInt32.self))
            let sequence = bytes.number(offset + 8, as: UInt64.self)
            let checksum = bytes.number(offset + 16, as: UInt64.self)
            guard presence <= 1, bytes[offset + 3] == 0,
                nameBytes <= Limits.recordNameBytesMaximum, valueBytes <= Limits.valueBytesMaximum
            else { throw .malformedRow(number) }
            let end = offset + RecordPage.rowHeaderBytes + nameBytes + valueBytes
            guard end <= bytes.count else { throw .truncated }
            let nameStart = offset + RecordPage.rowHeaderBytes
            let name = UnsafeRawBufferPointer(
                rebasing: bytes[nameStart..<(nameStart + nameBytes)])
            guard StoredName.isWellFormed(name) else { throw .malformedRow(number) }
            guard bytesCompare(last, name) < 0 else { throw .namesNotAscending(number) }
            if presence == 1 {
                guard sequence >= 1, sequence <= highest else { throw .malformedRow(number) }
                let value = UnsafeRawBufferPointer(rebasing: bytes[(nameStart + nameBytes)..<end])
                guard RowChecksum.of(name, sequence, value) == checksum else {
                    throw .badChecksum(number)
                }
            } else {
                guard kind == .names, valueBytes == 0, sequence == 0, checksum == 0 else {
                    throw .malformedRow(number)
                }
            }
            last = name
            offset = end
        }
        guard offset == bytes.count else { throw .malformedHeader }
        return last
    }
}

extension UnsafeRawBufferPointer {
    /// The little-endian number at `offset`, which the caller has checked.
    fileprivate func number<T: FixedWidthInteger>(_ offset: Int, as type: T.Type) -> T {
        T(littleEndian: loadUnaligned(fromByteOffset: offset, as: T.self))
    }
}
