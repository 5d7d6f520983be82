import Testing

@testable import SanadCore

@Suite("Frames")
struct FrameTests {
    let start: Frame
    let frame: Frame

    init() throws {
        let node = try #require(NodeName("rabat"))
        start = FrameEncoder.epochStart(
            EpochStart(node: node, reason: "new cluster"), after: .origin, epoch: Epoch(1),
            committed: .zero, logOffset: 0, wallMilliseconds: 1_700_000_000_000)
        var encoder = FrameEncoder(
            after: start.position, epoch: Epoch(1), committed: Sequence(1),
            logOffset: start.header.logEnd, wallMilliseconds: 1_700_000_000_001)
        var first = TransactionBytes()
        first.append(.put, collection: "pupils", key: "amina", value: #"{"class":1}"#)
        first.append(.delete, collection: "pupils", key: "brahim")
        var second = TransactionBytes()
        second.append(.put, collection: "schools", key: "12", value: "null")
        #expect(encoder.append(first) == Sequence(2))
        #expect(encoder.append(second) == Sequence(3))
        frame = encoder.finish()
    }

    @Test("what was encoded is decoded, byte for byte")
    func roundTrip() throws {
        let decoded = try Frame(decoding: frame.bytes)
        #expect(decoded.header == frame.header)
        #expect(decoded.hash == frame.hash)
        var seen: [String] = []
        decoded.forEachMutation { sequence, mutation in
            let parts = [mutation.collection, mutation.key, mutation.value]
                .map { String(decoding: $0, as: UTF8.self) }
            seen.append("\(sequence) \(mutation.operation) \(parts.joined(separator: " "))")
        }
        #expect(
            seen == [
                #"2 put pupils amina {"class":1}"#, "2 delete pupils brahim ",
                "3 put schools 12 null",
            ])
        #expect(try Frame(decoding: start.bytes).epochStart == start.epochStart)
    }

    /// The bytes of the example in docs/formats/segment.md.
    @Test("the layout is the documented one")
    func pinnedBytes() {
        #expect(Array(start.bytes[0..<8]) == [0x53, 0x4E, 0x46, 0x31, 1, 2, 0, 0])
        #expect(Array(start.bytes[8..<24]) == [1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0])
        #expect(Array(start.bytes[56..<60]) == [18, 0, 0, 0])
        #expect(
            Array(start.bytes[96...])
                == [5] + Array("rabat".utf8) + [11] + Array("new cluster".utf8))
        #expect(
            start.hash.description
                == "5c717f37eeb1cb49119a267fb4df40156ad95ac6940a3ba67502888b9fc6bd4c")
    }

    @Test("a frame cut short at any length is refused")
    func truncated() {
        for length in 0..<frame.bytes.count {
            #expect(throws: FrameError.self) {
                try Frame(decoding: Array(frame.bytes[..<length]))
            }
        }
    }

    @Test("a flipped bit anywhere is refused, or changes the hash")
    func flipped() {
        for bit in 0..<frame.bytes.count * 8 {
            var bytes = frame.bytes
            bytes[bit / 8] ^= 1 << UInt8(bit % 8)
            if let decoded = try? Frame(decoding: bytes) {
                #expect(decoded.hash != frame.hash, "bit \(bit)")
            }
        }
    }

    @Test("a frame continues only the history that it was made for")
    func chain() throws {
        try start.check(after: .origin)
        try frame.check(after: start.position)
        #expect(throws: FrameError.chainBroken) { try frame.check(after: .origin) }
        var wrong = start.position
        wrong.sequence = Sequence(7)
        #expect(throws: FrameError.sequenceGap) { try frame.check(after: wrong) }
        wrong = start.position
        wrong.epoch = Epoch(2)
        #expect(throws: FrameError.epochBackwards) { try frame.check(after: wrong) }
        wrong.epoch = .zero
        #expect(throws: FrameError.epochWithoutStart) { try frame.check(after: wrong) }
    }

    @Test("the bounds keep their relations")
    func limits() {
        #expect(Limits.transactionBytesMaximum * 2 <= Limits.frameBytesMaximum)
        #expect(
            Limits.frameBytesTarget + Limits.transactionBytesMaximum + FrameHeader.byteCount
                <= Limits.frameBytesMaximum)
        #expect(
            TransactionBytes.encodedBytes(
                collection: Limits.collectionBytesMaximum, key: Limits.keyBytesMaximum,
                value: Limits.valueBytesMaximum) < Limits.transactionBytesMaximum)
        #expect(Limits.chunkBytesMaximum <= Limits.messageBytesMaximum)
        #expect(Limits.frameBytesMaximum <= Limits.windowBytesDefault)
        #expect(Limits.windowBytesDefault < Limits.applyLagBytesMaximum)
        // What the standby may leave unapplied must not stop the primary from sending.
        #expect(
            Limits.applyDeferralBytesMaximum + UInt64(Limits.windowBytesDefault)
                < UInt64(Limits.applyLagBytesMaximum))
        #expect(
            Limits.applyDeferralOutOfSyncBytesMaximum + UInt64(Limits.windowBytesDefault)
                < UInt64(Limits.applyLagOutOfSyncBytesMaximum))
    }
}
