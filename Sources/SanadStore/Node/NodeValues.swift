internal import SanadCore

extension Identifier {
    /// The 16 bytes in the order of RFC 9562.
    var bytes: [UInt8] {
        [high, low].flatMap { word in
            (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * UInt64($0))) }
        }
    }

    init?(bytes: UnsafeRawBufferPointer) {
        guard bytes.count == 16 else { return nil }
        self.init(
            high: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self)),
            low: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
    }
}

extension Position {
    /// Reads epoch, sequence and hash from three columns; nil when the hash is not one.
    init?(_ statement: SQLiteStatement, column: Int32) {
        let hash = statement.buffer(column + 2)
        guard hash.count == ChainHash.byteCount else { return nil }
        self.init(
            epoch: Epoch(statement.integer(column)),
            sequence: Sequence(statement.integer(column + 1)), hash: ChainHash(bytes: hash))
    }

    /// Binds epoch, sequence and hash to three parameters.
    func bind(to statement: SQLiteStatement, at index: Int32) {
        statement.bind(index, epoch.value)
        statement.bind(index + 1, sequence.value)
        statement.bind(index + 2, copying: hash.bytes)
    }
}

extension NodeDatabase {
    func position(
        _ statement: SQLiteStatement, _ column: Int32
    ) throws(StoreError) -> Position {
        guard let position = Position(statement, column: column) else {
            throw damaged("a position's hash does not have 32 bytes")
        }
        return position
    }

    func bind(_ position: Position, _ statement: SQLiteStatement, _ index: Int32) {
        position.bind(to: statement, at: index)
    }

    func identifier(_ bytes: UnsafeRawBufferPointer) throws(StoreError) -> Identifier {
        guard let identifier = Identifier(bytes: bytes) else {
            throw damaged("an identifier does not have 16 bytes")
        }
        return identifier
    }
}
