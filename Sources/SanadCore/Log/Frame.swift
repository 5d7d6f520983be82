/// What a frame carries.
public enum FrameKind: UInt8, Sendable {
    /// Consecutive transactions.
    case transactions = 1
    /// The first frame of an epoch. It takes one sequence and changes no record; its body is an
    /// `EpochStart`.
    case epochStart = 2
}

/// The fixed part of a frame. Byte table: `docs/formats/segment.md`.
public struct FrameHeader: Hashable, Sendable {
    public var kind: FrameKind
    public var epoch: Epoch
    /// Sequence of the first transaction.
    public var first: Sequence
    /// Sequence of the last transaction; at least `first`.
    public var last: Sequence
    /// The committed sequence that the primary knew when it encoded the frame: a lower bound that
    /// a restarted node can rely on.
    public var committed: Sequence
    /// Bytes of all frames of the log before this one.
    public var logOffset: UInt64
    /// Wall clock of the primary, in milliseconds since 1970; for people, never for decisions.
    public var wallMilliseconds: UInt64
    /// Bytes after the header.
    public var bodyBytes: Int
    public var previous: ChainHash

    /// Header size in bytes.
    public static let byteCount = 96

    /// Bytes of the whole log up to and with this frame.
    public var logEnd: UInt64 { logOffset + UInt64(Self.byteCount + bodyBytes) }

    /// Transactions in the frame.
    public var transactionCount: UInt64 { last.value - first.value + 1 }
}

/// One group commit: encoded once, hashed once, stored and shipped as the same bytes.
public struct Frame: Sendable {
    public let header: FrameHeader
    /// Header and body.
    public let bytes: [UInt8]
    /// SHA-256 of `bytes`, which hold the previous frame's hash.
    public let hash: ChainHash

    /// The boundary after this frame.
    public var position: Position {
        Position(epoch: header.epoch, sequence: header.last, hash: hash)
    }

    /// Takes bytes that came from a disk or a peer.
    ///
    /// - Throws: `FrameError` when the bytes are not one well-formed frame. Whether the frame
    ///   continues a history is for `check(after:)`.
    public init(decoding bytes: [UInt8]) throws(FrameError) {
        let header = try bytes.withFrameBytes(FrameHeader.decode)
        guard bytes.count == FrameHeader.byteCount + header.bodyBytes else {
            throw FrameError.truncated
        }
        self.header = header
        self.bytes = bytes
        self.hash = bytes.withUnsafeBytes { ChainHash(ofFrame: $0) }
        try validateBody()
    }

    /// Takes bytes that `FrameEncoder` just made.
    init(header: FrameHeader, bytes: [UInt8], hash: ChainHash) {
        self.header = header
        self.bytes = bytes
        self.hash = hash
    }

    /// Checks that this frame is the next one after `previous`.
    public func check(after previous: Position) throws(FrameError) {
        guard header.previous == previous.hash else { throw .chainBroken }
        guard header.first == previous.sequence.next else { throw .sequenceGap }
        guard header.epoch >= previous.epoch else { throw .epochBackwards }
        guard header.epoch == previous.epoch || header.kind == .epochStart else {
            throw .epochWithoutStart
        }
        guard header.kind != .epochStart || header.epoch > previous.epoch else {
            throw .epochBackwards
        }
    }

    /// Calls `body` for each mutation, in log order, with the sequence of its transaction and the
    /// offsets of key and value in `bytes`.
    ///
    /// - Precondition: the frame was decoded or encoded by this module, so its body is well formed.
    public func forEachMutation(_ body: (Sequence, MutationView) -> Void) {
        guard header.kind == .transactions else { return }
        bytes.withUnsafeBytes { bytes in
            var offset = FrameHeader.byteCount
            var sequence = header.first
            while offset < bytes.count {
                let count = bytes.integer(at: offset, as: UInt32.self)
                offset += 4
                for _ in 0..<count {
                    let (view, end) = bytes.mutation(at: offset)
                    body(sequence, view)
                    offset = end
                }
                sequence = sequence.next
            }
        }
    }

    /// The epoch's start record, when this is an epoch's first frame.
    public var epochStart: EpochStart? {
        guard header.kind == .epochStart else { return nil }
        return bytes.withUnsafeBytes {
            EpochStart(decoding: $0.part(FrameHeader.byteCount, header.bodyBytes))
        }
    }

    private func validateBody() throws(FrameError) {
        switch header.kind {
        case .epochStart:
            guard epochStart != nil, header.first == header.last else { throw .malformedBody }
        case .transactions:
            try bytes.withFrameBytes { bytes throws(FrameError) in
                try bytes.validateTransactions(count: header.transactionCount)
            }
        }
    }
}

/// Why bytes are not a frame, or not the next frame.
public enum FrameError: Error, Equatable, Sendable {
    case truncated
    case badMagic
    case unsupportedVersion(UInt8)
    case malformedHeader
    case malformedBody
    case chainBroken
    case sequenceGap
    case epochBackwards
    case epochWithoutStart
}

/// The body of an epoch's first frame: who reigns, and why.
public struct EpochStart: Hashable, Sendable {
    public var node: NodeName
    /// At most 255 bytes of UTF-8.
    public var reason: String
    /// The role was taken on an operator's word alone.
    public var isOverride: Bool

    public init(node: NodeName, reason: String, isOverride: Bool = false) {
        self.node = node
        self.reason = reason
        self.isOverride = isOverride
    }

    init?(decoding bytes: UnsafeRawBufferPointer) {
        guard let nameLength = bytes.first.map(Int.init), bytes.count >= 3 + nameLength,
            case let reasonLength = Int(bytes[1 + nameLength]),
            bytes.count == 3 + nameLength + reasonLength, bytes[bytes.count - 1] <= 1,
            let name = String(validating: bytes.part(1, nameLength), as: UTF8.self),
            let node = NodeName(name),
            let reason = String(validating: bytes.part(2 + nameLength, reasonLength), as: UTF8.self)
        else { return nil }
        self.init(node: node, reason: reason, isOverride: bytes[bytes.count - 1] == 1)
    }

    func encode(into bytes: inout [UInt8]) {
        let reasonBytes = reason.utf8.count <= 255 ? Array(reason.utf8) : []
        bytes.append(UInt8(node.text.utf8.count))
        bytes.append(contentsOf: node.text.utf8)
        bytes.append(UInt8(reasonBytes.count))
        bytes.append(contentsOf: reasonBytes)
        bytes.append(flag: isOverride)
    }
}

extension [UInt8] {
    /// `withUnsafeBytes` that passes typed errors through.
    func withFrameBytes<Result>(
        _ body: (UnsafeRawBufferPointer) throws(FrameError) -> Result
    ) throws(FrameError) -> Result {
        var outcome: Swift.Result<Result, FrameError>?
        withUnsafeBytes { bytes in
            do throws(FrameError) {
                outcome = .success(try body(bytes))
            } catch {
                outcome = .failure(error)
            }
        }
        guard let outcome else { preconditionFailure("the body always runs") }
        return try outcome.get()
    }
}
