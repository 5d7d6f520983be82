import SanadCore
import Testing

@testable import SanadLink

@Suite struct PacketDecoderTests {
    private static func packet(
        channel: UInt8, flags: UInt8, length: UInt32? = nil, reserved: UInt16 = 0,
        _ payload: [UInt8]
    ) -> [UInt8] {
        let count = length ?? UInt32(payload.count)
        return [
            channel, flags, UInt8(truncatingIfNeeded: reserved),
            UInt8(truncatingIfNeeded: reserved >> 8), UInt8(truncatingIfNeeded: count),
            UInt8(truncatingIfNeeded: count >> 8), UInt8(truncatingIfNeeded: count >> 16),
            UInt8(truncatingIfNeeded: count >> 24),
        ] + payload
    }

    private static let stream: [UInt8] =
        packet(channel: 1, flags: 1, [7])
        + packet(channel: 2, flags: 0, [1, 2, 3])
        + packet(channel: 1, flags: 1, Array(40...60))
        + packet(channel: 2, flags: 0, [4])
        + packet(channel: 2, flags: 1, [5, 6])
        + packet(channel: 2, flags: 1, [9])

    private static let expected: [Received] = [
        .control([7]), .control(Array(40...60)), .frame([1, 2, 3, 4, 5, 6]), .frame([9]),
    ]

    private func decode(_ bytes: [UInt8], portion: Int) throws -> ([Received], isInside: Bool) {
        var decoder = PacketDecoder()
        var received: [Received] = []
        for start in stride(from: 0, to: bytes.count, by: portion) {
            try bytes[start..<min(start + portion, bytes.count)].withUnsafeBytes {
                try decoder.feed($0) { received.append(Received($0)) }
            }
        }
        return (received, decoder.isInside)
    }

    @Test("Packets come out whatever the portions", arguments: [1, 2, 3, 7, 8, 9, 13, 1_000])
    func portions(size: Int) throws {
        let (received, isInside) = try decode(Self.stream, portion: size)
        #expect(received == Self.expected)
        #expect(!isInside)
    }

    @Test func truncatedAtEachLengthGivesOnlyWholePackets() throws {
        for length in 0..<Self.stream.count {
            let (received, _) = try decode(Array(Self.stream.prefix(length)), portion: 1_000)
            #expect(received.count < Self.expected.count)
            #expect(received == Array(Self.expected.prefix(received.count)))
        }
    }

    @Test("The encoded header is the documented one")
    func headerBytes() throws {
        let header = PacketHeader(channel: .frame, isLast: true, length: 0x1_0203)
        let bytes = withUnsafeBytes(of: header.word.littleEndian) { Array($0) }
        #expect(bytes == [2, 1, 0, 0, 0x03, 0x02, 0x01, 0])
        #expect(try PacketHeader(word: header.word) == header)
    }

    @Test(
        "A header that no sound peer sends",
        arguments: [
            packet(channel: 0, flags: 1, [1]),
            packet(channel: 3, flags: 1, [1]),
            packet(channel: 255, flags: 1, [1]),
            packet(channel: 1, flags: 0, [1]),
            packet(channel: 1, flags: 3, [1]),
            packet(channel: 2, flags: 2, [1]),
            packet(channel: 2, flags: 128, [1]),
            packet(channel: 1, flags: 1, reserved: 1, [1]),
            packet(channel: 2, flags: 1, reserved: 0x8000, [1]),
            packet(channel: 1, flags: 1, []),
            packet(channel: 2, flags: 0, []),
            packet(channel: 1, flags: 1, length: UInt32(Limits.messageBytesMaximum + 1), []),
            packet(channel: 2, flags: 0, length: UInt32(Limits.chunkBytesMaximum + 1), []),
            packet(channel: 2, flags: 0, length: .max, []),
        ])
    func badHeader(bytes: [UInt8]) {
        #expect(throws: ProtocolViolation.self) { try decode(bytes, portion: 1_000) }
        #expect(throws: ProtocolViolation.self) { try decode(bytes, portion: 1) }
    }

    @Test func aFrameThatNeverEndsIsCutOffAtTheLimit() throws {
        let piece = Self.packet(
            channel: 2, flags: 0, [UInt8](repeating: 1, count: Limits.chunkBytesMaximum))
        let whole = Limits.frameBytesMaximum / Limits.chunkBytesMaximum
        var decoder = PacketDecoder()
        for _ in 0..<whole {
            try piece.withUnsafeBytes { try decoder.feed($0) { _ in Issue.record("no packet") } }
        }
        #expect(throws: ProtocolViolation.self) {
            try piece.withUnsafeBytes { try decoder.feed($0) { _ in } }
        }
    }

    @Test func anErrorOfTheReaderComesThrough() {
        struct Refusal: Error {}
        var decoder = PacketDecoder()
        #expect(throws: Refusal.self) {
            try Self.stream.withUnsafeBytes { try decoder.feed($0) { _ in throw Refusal() } }
        }
    }
}
