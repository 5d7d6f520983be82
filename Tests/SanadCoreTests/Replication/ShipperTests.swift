import Testing

@testable import SanadCore

@Suite("What the shipper hands out")
struct ShipperTests {
    /// Frames of about 1 KiB after an epoch's start.
    private static func frames(_ count: Int) throws -> [Frame] {
        let node = try #require(NodeName("rabat"))
        var frames = [
            FrameEncoder.epochStart(
                EpochStart(node: node, reason: "test"), after: .origin, epoch: Epoch(1),
                committed: .zero, logOffset: 0, wallMilliseconds: 0)
        ]
        for number in 0..<count {
            let last = frames[frames.count - 1]
            var encoder = FrameEncoder(
                after: last.position, epoch: Epoch(1), committed: .zero,
                logOffset: last.header.logEnd, wallMilliseconds: 0)
            var transaction = TransactionBytes()
            transaction.append(
                .put, collection: "c", key: "k\(number)",
                value: String(repeating: "v", count: 1_000))
            _ = encoder.append(transaction)
            frames.append(encoder.finish())
        }
        return frames
    }

    private static func shipped(_ effects: [Effect]) -> Int {
        effects.filter { if case .ship = $0 { true } else { false } }.count
    }

    @Test("the standby's record table may be behind by the bound of the moment")
    func applyLag() throws {
        let frames = try Self.frames(40)
        let end = try #require(frames.last)
        var shipper = Shipper(windowBytes: 1 << 20)
        shipper.start(after: .origin, offset: 0)
        for frame in frames { shipper.add(frame) }
        var effects: [Effect] = []
        shipper.pump(durable: end.header.last, applyLagBytes: 10 << 10, into: &effects)
        let first = Self.shipped(effects)
        #expect(first > 5 && first < 15)
        // Nothing more until the table has come on, however much is durable.
        let sent = frames[first - 1]
        shipper.update(
            Progress(
                received: sent.header.last, durable: sent.header.last,
                durableOffset: sent.header.logEnd, applied: .zero, appliedOffset: 0))
        effects = []
        shipper.pump(durable: end.header.last, applyLagBytes: 10 << 10, into: &effects)
        #expect(effects.isEmpty)
        // A wider bound lets the rest through.
        shipper.pump(durable: end.header.last, applyLagBytes: 1 << 20, into: &effects)
        #expect(first + Self.shipped(effects) == frames.count)
        #expect(shipper.sent == end.header.last)
    }

    @Test("progress counts as heard only once the standby has spoken")
    func heard() throws {
        let frame = try #require(try Self.frames(0).first)
        var shipper = Shipper(windowBytes: 1 << 20)
        shipper.start(after: frame.position, offset: frame.header.logEnd)
        #expect(shipper.progress != nil)
        #expect(!shipper.hasHeardProgress)
        shipper.update(
            Progress(
                received: frame.header.last, durable: frame.header.last,
                durableOffset: frame.header.logEnd, applied: frame.header.last,
                appliedOffset: frame.header.logEnd))
        #expect(shipper.hasHeardProgress)
        shipper.probe()
        #expect(!shipper.hasHeardProgress)
    }
}
