// How names, snapshots and their pages stand on the wire. Byte table: `docs/formats/wire.md`.

extension [RecordName] {
    func encode(into bytes: inout [UInt8]) {
        bytes.appendInteger(UInt16(count))
        for name in self { bytes.append(longBytes: name.bytes) }
    }

    init(from reader: inout ByteReader) throws(MessageError) {
        self = []
        let count = Int(try reader.integer(UInt16.self))
        guard count <= Limits.fetchNamesMaximum else { throw .malformed("too many names") }
        for _ in 0..<count {
            guard let name = RecordName(bytes: try reader.longBytes()) else {
                throw .malformed("a record's name breaks the rules for names")
            }
            append(name)
        }
    }
}

extension SeedRequest {
    func encode(into bytes: inout [UInt8]) {
        bytes.append(flag: base != nil)
        if let base { bytes.append(position: base) }
        bytes.append(flag: cursor != nil)
        if let cursor { bytes.append(longBytes: cursor) }
    }

    init(from reader: inout ByteReader) throws(MessageError) {
        base = try reader.flag() ? try reader.position() : nil
        cursor = try reader.flag() ? try reader.longBytes() : nil
    }
}

extension Seeding {
    func encode(into bytes: inout [UInt8]) {
        bytes.append(position: base)
        bytes.appendInteger(offset)
        history.encode(into: &bytes)
    }

    init(from reader: inout ByteReader) throws(MessageError) {
        base = try reader.position()
        offset = try reader.integer()
        history = try [EpochEntry](from: &reader)
    }
}

extension PagePacket {
    static let headerBytes = 10

    /// Pages and frames travel on one channel; a frame begins with its magic number.
    public static func isPage(_ bytes: [UInt8]) -> Bool {
        bytes.first.flatMap(Purpose.init(rawValue:)) != nil
    }

    /// The packet's bytes; the rows stand at the end as they came.
    public func encoded() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.headerBytes + rows.count)
        bytes.append(purpose.rawValue)
        bytes.append(flag: isLast)
        bytes.appendInteger(readAt.value)
        bytes.append(contentsOf: rows)
        return bytes
    }

    /// - Throws: `MessageError` when the header is not one; the rows are the store's to check.
    public init(decoding bytes: [UInt8]) throws(MessageError) {
        guard bytes.count >= Self.headerBytes else { throw .truncated }
        guard let purpose = Purpose(rawValue: bytes[0]) else { throw .unknownType(bytes[0]) }
        guard bytes[1] <= 1 else { throw .malformed("a flag is neither 0 nor 1") }
        let readAt = bytes.withUnsafeBytes { $0.integer(at: 2, as: UInt64.self) }
        self.init(
            purpose: purpose, readAt: Sequence(readAt), isLast: bytes[1] == 1,
            rows: Array(bytes[Self.headerBytes...]))
    }
}
