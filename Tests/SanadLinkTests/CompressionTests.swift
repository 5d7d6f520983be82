import SanadCore
import Testing

@testable import SanadLink

@Suite struct CompressionTests {
    /// Compresses one batch and takes the output away.
    private func compress(
        _ compressor: inout Compressor, _ payloads: [[UInt8]]
    ) throws -> [UInt8] {
        for payload in payloads {
            payload.withUnsafeBytes {
                compressor.stage(
                    PacketHeader(channel: .control, isLast: true, length: $0.count), $0)
            }
        }
        try compressor.compress()
        let output = try compressor.withPending { bytes in Array(bytes) }
        compressor.consume(output.count)
        return output
    }

    private func decompress(
        _ decompressor: inout Decompressor, _ bytes: [UInt8]
    ) throws -> [UInt8] {
        var plain: [UInt8] = []
        try bytes.withUnsafeBytes { input in
            try decompressor.decompress(input) { plain.append(contentsOf: $0) }
        }
        return plain
    }

    @Test("The stream begins with the pinned header")
    func header() throws {
        var compressor = try Compressor()
        let output = try compress(&compressor, [[1, 2, 3]])
        #expect(Array(output.prefix(7)) == LinkCompression.streamHeader)
    }

    @Test("What was staged comes back, across many turns of the staging buffer")
    func roundTrip() throws {
        var compressor = try Compressor()
        var decompressor = try Decompressor()
        let text = records(Limits.messageBytesMaximum)
        let chaos = noise(Limits.messageBytesMaximum)
        for round in 0..<200 {
            let size = [1, 100, 65_536, 131_072, 262_144, 3_000][round % 6]
            let source = round % 5 == 4 ? chaos : text
            let start = (round * 37) % (source.count - size + 1)
            let payload = Array(source[start..<(start + size)])
            let output = try compress(&compressor, [payload])
            let plain = try decompress(&decompressor, output)
            #expect(plain.count == PacketHeader.byteCount + size)
            #expect(Array(plain.dropFirst(PacketHeader.byteCount)) == payload)
        }
    }

    @Test func smallMessagesAreCompressedAgainstEarlierOnes() throws {
        var compressor = try Compressor()
        let record = Array("{\"id\":\"P7919\",\"nom\":\"Alaoui\",\"niveau\":7,\"x\":\"y\"}".utf8)
        _ = try compress(&compressor, [record])
        _ = try compress(&compressor, [Array(noise(60))])
        // The like is two messages back: a compressor that forgets between flushes misses it.
        let output = try compress(&compressor, [record])
        #expect(output.count < record.count / 2)
    }

    @Test("Garbage is refused at once, whatever its portions", arguments: [1, 5, 100])
    func garbage(size: Int) throws {
        var decompressor = try Decompressor()
        #expect(throws: ProtocolViolation.self) {
            for start in stride(from: 0, to: 1_000, by: size) {
                _ = try decompress(&decompressor, Array(noise(1_000)[start..<(start + size)]))
            }
        }
    }

    @Test("A header with larger blocks, checksums or a dictionary is refused")
    func otherHeaders() throws {
        for (index, value) in [(5, UInt8(0x70)), (4, 0x44), (4, 0x41), (0, 0x50)] {
            var header = LinkCompression.streamHeader
            header[index] = value
            var decompressor = try Decompressor()
            #expect(throws: ProtocolViolation.self) { try decompress(&decompressor, header) }
        }
    }

    @Test func aBlockLargerThanAgreedIsRefused() throws {
        var decompressor = try Decompressor()
        let block: [UInt8] = [0x01, 0x00, 0x01, 0x80]
        #expect(throws: ProtocolViolation.self) {
            try decompress(&decompressor, LinkCompression.streamHeader + block)
        }
    }

    @Test func theEndOfTheStreamIsRefused() throws {
        var decompressor = try Decompressor()
        #expect(throws: ProtocolViolation.self) {
            try decompress(&decompressor, LinkCompression.streamHeader + [0, 0, 0, 0])
        }
    }

    @Test("Each bit flip is refused, or gives other bytes within bounds; it never crashes")
    func bitFlips() throws {
        var compressor = try Compressor()
        let output = try compress(&compressor, [records(300)])
        for bit in 0..<(output.count * 8) {
            var damaged = output
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            var decompressor = try Decompressor()
            do {
                #expect(try decompress(&decompressor, damaged).count <= 64 << 10)
            } catch is ProtocolViolation {}
        }
    }

    @Test func aBombComesOutInPortions() throws {
        var decompressor = try Decompressor()
        var total = 0
        var largest = 0
        try bomb(blocks: 50).withUnsafeBytes { input in
            try decompressor.decompress(input) {
                total += $0.count
                largest = max(largest, $0.count)
            }
        }
        #expect(total == 50 * bombBlockBytes)
        #expect(largest <= 128 << 10)
        // As packets it is nothing: channel 0 does not exist.
        var decoder = PacketDecoder()
        #expect(throws: ProtocolViolation.self) {
            try [UInt8](repeating: 0, count: 8).withUnsafeBytes { try decoder.feed($0) { _ in } }
        }
    }
}
