extension FrameHeader {
    static let magic: UInt32 = 0x3146_4E53  // "SNF1" as little-endian bytes
    static let version: UInt8 = 1

    /// Reads a header from the start of `bytes`; the body need not be there.
    ///
    /// - Throws: `FrameError.truncated`, `.badMagic`, `.unsupportedVersion`, `.malformedHeader`.
    public static func decode(_ bytes: UnsafeRawBufferPointer) throws(FrameError) -> FrameHeader {
        guard bytes.count >= byteCount else { throw .truncated }
        guard bytes.integer(at: 0, as: UInt32.self) == magic else { throw .badMagic }
        guard bytes[4] == version else { throw .unsupportedVersion(bytes[4]) }
        let bodyBytes = bytes.integer(at: 56, as: UInt32.self)
        guard let kind = FrameKind(rawValue: bytes[5]),
            bytes.integer(at: 6, as: UInt16.self) == 0,
            bytes.integer(at: 60, as: UInt32.self) == 0,
            bodyBytes <= UInt32(Limits.frameBytesMaximum - byteCount)
        else { throw .malformedHeader }
        let header = FrameHeader(
            kind: kind, epoch: Epoch(bytes.integer(at: 8)), first: Sequence(bytes.integer(at: 16)),
            last: Sequence(bytes.integer(at: 24)), committed: Sequence(bytes.integer(at: 32)),
            logOffset: bytes.integer(at: 40), wallMilliseconds: bytes.integer(at: 48),
            bodyBytes: Int(bodyBytes), previous: ChainHash(bytes: bytes.part(64, 32)))
        guard header.first > .zero, header.last >= header.first, header.epoch > .zero,
            header.committed <= header.last,
            header.logOffset <= UInt64(Int64.max), header.last.value <= UInt64(Int64.max)
        else { throw .malformedHeader }
        return header
    }

    func encode(into bytes: inout [UInt8]) {
        bytes.appendInteger(Self.magic)
        bytes.append(Self.version)
        bytes.append(kind.rawValue)
        bytes.appendInteger(UInt16(0))
        bytes.appendInteger(epoch.value)
        bytes.appendInteger(first.value)
        bytes.appendInteger(last.value)
        bytes.appendInteger(committed.value)
        bytes.appendInteger(logOffset)
        bytes.appendInteger(wallMilliseconds)
        bytes.appendInteger(UInt32(bodyBytes))
        bytes.appendInteger(UInt32(0))
        for word in [previous.word0, previous.word1, previous.word2, previous.word3] {
            bytes.appendInteger(word.byteSwapped)
        }
    }
}

/// Gathers transactions into one frame.
public struct FrameEncoder {
    private var bytes: [UInt8]
    private var header: FrameHeader

    /// Opens a frame after `previous`.
    ///
    /// - Parameters:
    ///   - previous: the log's end.
    ///   - epoch: the reign of this primary.
    ///   - committed: the committed sequence known now.
    ///   - logOffset: bytes of the log before this frame.
    ///   - wallMilliseconds: wall clock, for people.
    public init(
        after previous: Position, epoch: Epoch, committed: Sequence, logOffset: UInt64,
        wallMilliseconds: UInt64, reservingBytes capacity: Int = 4_096
    ) {
        header = FrameHeader(
            kind: .transactions, epoch: epoch, first: previous.sequence.next,
            last: previous.sequence, committed: committed, logOffset: logOffset,
            wallMilliseconds: wallMilliseconds, bodyBytes: 0, previous: previous.hash)
        bytes = []
        bytes.reserveCapacity(max(capacity, FrameHeader.byteCount))
        bytes.append(contentsOf: repeatElement(0, count: FrameHeader.byteCount))
    }

    /// Bytes so far, header included.
    public var byteCount: Int { bytes.count }

    /// The sequence of the transaction that was added last.
    public var last: Sequence { header.last }

    public var isEmpty: Bool { header.last < header.first }

    /// Adds a transaction and gives its sequence.
    ///
    /// - Precondition: it has at least one mutation, and the frame keeps inside
    ///   `Limits.frameBytesMaximum`.
    public mutating func append(_ transaction: borrowing TransactionBytes) -> Sequence {
        precondition(transaction.mutationCount > 0)
        precondition(bytes.count + transaction.byteCount <= Limits.frameBytesMaximum)
        bytes.append(contentsOf: transaction.bytes)
        header.last = header.last.next
        return header.last
    }

    /// Closes the frame.
    ///
    /// - Precondition: it is not empty.
    public consuming func finish() -> Frame {
        precondition(header.last >= header.first, "a frame carries at least one transaction")
        return Self.seal(header, bytes)
    }

    /// The first frame of an epoch.
    public static func epochStart(
        _ start: EpochStart, after previous: Position, epoch: Epoch, committed: Sequence,
        logOffset: UInt64, wallMilliseconds: UInt64
    ) -> Frame {
        var bytes = [UInt8](repeating: 0, count: FrameHeader.byteCount)
        start.encode(into: &bytes)
        let header = FrameHeader(
            kind: .epochStart, epoch: epoch, first: previous.sequence.next,
            last: previous.sequence.next, committed: committed, logOffset: logOffset,
            wallMilliseconds: wallMilliseconds, bodyBytes: 0, previous: previous.hash)
        return seal(header, bytes)
    }

    private static func seal(_ header: FrameHeader, _ bytes: [UInt8]) -> Frame {
        var (header, bytes) = (header, bytes)
        header.bodyBytes = bytes.count - FrameHeader.byteCount
        var encoded: [UInt8] = []
        encoded.reserveCapacity(FrameHeader.byteCount)
        header.encode(into: &encoded)
        bytes.replaceSubrange(0..<FrameHeader.byteCount, with: encoded)
        return Frame(
            header: header, bytes: bytes, hash: bytes.withUnsafeBytes { ChainHash(ofFrame: $0) })
    }
}

extension UnsafeRawBufferPointer {
    /// The mutation at `offset` and the offset after it.
    ///
    /// - Precondition: the body was validated.
    func mutation(at offset: Int) -> (view: MutationView, end: Int) {
        let collectionBytes = Int(self[offset + 1])
        let keyBytes = Int(integer(at: offset + 2, as: UInt16.self))
        let valueBytes = Int(integer(at: offset + 4, as: UInt32.self))
        let collection = offset + 8
        let key = collection + collectionBytes
        let value = key + keyBytes
        let operation: Operation = self[offset] == Operation.put.rawValue ? .put : .delete
        let view = MutationView(
            operation: operation, collection: part(collection, collectionBytes),
            key: part(key, keyBytes), value: part(value, valueBytes))
        return (view, value + valueBytes)
    }

    /// Walks the body once with every bound checked, so that later walks need no checks.
    func validateTransactions(count: UInt64) throws(FrameError) {
        var offset = FrameHeader.byteCount
        var transactions: UInt64 = 0
        while offset < self.count {
            guard offset + 4 <= self.count else { throw .malformedBody }
            let mutations = integer(at: offset, as: UInt32.self)
            guard (1...UInt32(Limits.logTransactionMutationsMaximum)).contains(mutations) else {
                throw .malformedBody
            }
            offset += 4
            for _ in 0..<mutations {
                guard offset + TransactionBytes.mutationHeaderBytes <= self.count,
                    Operation(rawValue: self[offset]) != nil
                else { throw .malformedBody }
                let collectionBytes = Int(self[offset + 1])
                let keyBytes = Int(integer(at: offset + 2, as: UInt16.self))
                let valueBytes = Int(integer(at: offset + 4, as: UInt32.self))
                guard (1...Limits.collectionBytesMaximum).contains(collectionBytes),
                    (1...Limits.keyBytesMaximum).contains(keyBytes),
                    valueBytes <= Limits.valueBytesMaximum
                else { throw .malformedBody }
                offset += TransactionBytes.mutationHeaderBytes + collectionBytes + keyBytes
                offset += valueBytes
                guard offset <= self.count else { throw .malformedBody }
            }
            transactions += 1
        }
        guard transactions == count else { throw .malformedBody }
    }
}
