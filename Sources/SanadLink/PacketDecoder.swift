internal import SanadCore

/// What arrives: a message of the protocol above, or a whole frame of the log.
public enum LinkPacket {
    /// A message. The bytes are valid only during the call that hands them over.
    case control(UnsafeRawBufferPointer)
    /// A frame, put together from its pieces.
    case frame([UInt8])
}

/// The eight bytes before each packet's payload; see docs/formats/link.md.
struct PacketHeader: Equatable {
    static let byteCount = 8

    enum Channel: UInt8 {
        case control = 1
        case frame = 2
    }

    var channel: Channel
    /// The last piece of its frame; always set on a control packet.
    var isLast: Bool
    /// Bytes of payload after the header, never zero.
    var length: Int

    init(channel: Channel, isLast: Bool, length: Int) {
        self.channel = channel
        self.isLast = isLast
        self.length = length
    }

    /// The header as one little-endian word.
    var word: UInt64 {
        UInt64(channel.rawValue) | (isLast ? 1 << 8 : 0) | UInt64(length) << 32
    }

    init(word: UInt64) throws(ProtocolViolation) {
        guard let channel = Channel(rawValue: UInt8(truncatingIfNeeded: word)) else {
            throw ProtocolViolation(detail: "packet on unknown channel \(word & 0xFF)")
        }
        let flags = UInt8(truncatingIfNeeded: word >> 8)
        guard flags <= 1, channel == .frame || flags == 1, word >> 16 & 0xFFFF == 0 else {
            throw ProtocolViolation(
                detail: "packet header with flags \(flags), reserved \(word >> 16 & 0xFFFF)")
        }
        let length = Int(word >> 32)
        let maximum =
            channel == .control ? Limits.messageBytesMaximum : Limits.chunkBytesMaximum
        guard (1...maximum).contains(length) else {
            throw ProtocolViolation(
                detail: "packet of \(length) bytes on channel \(channel), at most \(maximum)")
        }
        self.init(channel: channel, isLast: flags == 1, length: length)
    }
}

/// Cuts a stream of plaintext bytes into packets and puts frames together.
///
/// Pure: it takes bytes in portions of any size. Memory is bounded by one message and one frame.
/// After an error the stream cannot be followed any more; the decoder must not be fed again.
struct PacketDecoder {
    private var headerWord: UInt64 = 0
    private var headerCount = 0
    private var current: PacketHeader?
    private var remaining = 0
    private var message: [UInt8] = []
    private var frame: [UInt8] = []

    /// True in the middle of a packet or of a frame.
    var isInside: Bool { headerCount > 0 || current != nil || !frame.isEmpty }

    /// Takes `bytes` and hands out each packet that they complete.
    mutating func feed(
        _ bytes: UnsafeRawBufferPointer, _ body: (LinkPacket) throws -> Void
    ) throws {
        var offset = 0
        while offset < bytes.count {
            guard let header = current else {
                offset += try takeHeader(bytes, from: offset)
                continue
            }
            let count = min(remaining, bytes.count - offset)
            let part = UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + count)])
            offset += count
            remaining -= count
            if remaining == 0 { current = nil }
            switch header.channel {
            case .control: try takeMessage(part, complete: remaining == 0, body)
            case .frame:
                frame.append(contentsOf: part)
                if remaining == 0, header.isLast { try body(.frame(takeFrame())) }
            }
        }
    }

    /// Takes header bytes and says how many.
    private mutating func takeHeader(
        _ bytes: UnsafeRawBufferPointer, from start: Int
    ) throws(ProtocolViolation) -> Int {
        var offset = start
        if headerCount == 0, bytes.count - offset >= PacketHeader.byteCount {
            headerWord = UInt64(
                littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            headerCount = PacketHeader.byteCount
            offset += PacketHeader.byteCount
        }
        while headerCount < PacketHeader.byteCount, offset < bytes.count {
            headerWord |= UInt64(bytes[offset]) << (8 * UInt64(headerCount))
            headerCount += 1
            offset += 1
        }
        guard headerCount == PacketHeader.byteCount else { return offset - start }
        let header = try PacketHeader(word: headerWord)
        headerWord = 0
        headerCount = 0
        current = header
        remaining = header.length
        if header.channel == .frame { try reserve(for: header) }
        return offset - start
    }

    /// Makes room for a piece: exactly, when the frame has only one; else for a usual frame at
    /// once, and from then on by doubling, so that a frame is moved a few times at most.
    private mutating func reserve(for header: PacketHeader) throws(ProtocolViolation) {
        let needed = frame.count + header.length
        guard needed <= Limits.frameBytesMaximum else {
            throw ProtocolViolation(
                detail: "frame of more than \(Limits.frameBytesMaximum) bytes")
        }
        if frame.isEmpty {
            frame.reserveCapacity(
                header.isLast ? needed : Limits.frameBytesTarget + Limits.chunkBytesMaximum)
        } else if needed > frame.capacity {
            frame.reserveCapacity(min(max(needed, 2 * frame.capacity), Limits.frameBytesMaximum))
        }
    }

    private mutating func takeFrame() -> [UInt8] {
        var complete: [UInt8] = []
        swap(&complete, &frame)
        return complete
    }

    /// Hands out a message that arrived in one portion from where it lies, others from a buffer
    /// that is kept.
    private mutating func takeMessage(
        _ part: UnsafeRawBufferPointer, complete: Bool, _ body: (LinkPacket) throws -> Void
    ) throws {
        if complete, message.isEmpty {
            try body(.control(part))
            return
        }
        message.append(contentsOf: part)
        guard complete else { return }
        try message.withUnsafeBytes { try body(.control($0)) }
        message.removeAll(keepingCapacity: true)
    }
}
