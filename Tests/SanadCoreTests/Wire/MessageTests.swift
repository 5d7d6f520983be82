import Testing

@testable import SanadCore

@Suite("Messages")
struct MessageTests {
    static let rabat = NodeName("rabat")
    static let hash = ChainHash(word0: 1, word1: 2, word2: 3, word3: .max)
    static let position = Position(epoch: Epoch(3), sequence: Sequence(9), hash: hash)

    static var samples: [Message] {
        guard let rabat else { return [] }
        let store = StoreIdentity(node: rabat, store: Identifier(high: 5, low: 6))
        let record = ClusterRecord(
            cluster: Identifier(high: 1, low: 2), version: 7, epoch: Epoch(3), primary: rabat,
            inSync: [store], since: position)
        let entry = EpochEntry(
            epoch: Epoch(3), node: rabat, begins: .origin, start: position, wallMilliseconds: 11,
            reason: "")
        let progress = Progress(
            received: Sequence(1), durable: Sequence(2), durableOffset: 3, applied: Sequence(4),
            appliedOffset: 5)
        return [
            .hello(
                Hello(
                    oldestProtocol: 1, newestProtocol: 2, identity: store, record: record,
                    logEnd: position, history: [entry, entry], isInitialPrimary: true,
                    lease: .seconds(3), grantWait: .milliseconds(3_030))),
            .refusal("سند refuses"), .proposal(record),
            .proposal(.initial(cluster: record.cluster)),
            .proposalAnswer(ProposalAnswer(version: 7, refusal: nil)),
            .proposalAnswer(ProposalAnswer(version: 7, refusal: "no")),
            .lead(Lead(epoch: Epoch(3), bound: position, history: [entry])), .resume(position),
            .diverged(""),
            .heartbeat(
                Heartbeat(
                    epoch: Epoch(3), sent: Instant(nanoseconds: 99), logEnd: Sequence(1),
                    logEndOffset: 2, committed: Sequence(1), lagNanoseconds: nil)),
            .heartbeat(
                Heartbeat(
                    epoch: Epoch(3), sent: Instant(nanoseconds: 99), logEnd: Sequence(1),
                    logEndOffset: 2, committed: Sequence(1), lagNanoseconds: 8)),
            .heartbeatAnswer(
                HeartbeatAnswer(
                    epoch: Epoch(3), echo: Instant(nanoseconds: 99), isGranted: true,
                    progress: progress)),
            .progress(progress), .commit(Sequence(12)),
        ]
    }

    @Test("every message comes back as it was", arguments: samples)
    func roundTrip(_ message: Message) throws {
        let bytes = message.encoded()
        #expect(try bytes.withUnsafeBytes { try Message(decoding: $0) } == message)
    }

    @Test("every message cut short, or with a byte too many, is refused", arguments: samples)
    func lengths(_ message: Message) {
        let bytes = message.encoded()
        for length in 0..<bytes.count {
            #expect(throws: MessageError.self) {
                try bytes[..<length].withUnsafeBytes { try Message(decoding: $0) }
            }
        }
        #expect(throws: MessageError.trailingBytes) {
            try (bytes + [0]).withUnsafeBytes { try Message(decoding: $0) }
        }
    }

    @Test("a flipped bit never traps", arguments: samples)
    func flipped(_ message: Message) {
        for bit in 0..<message.encoded().count * 8 {
            var bytes = message.encoded()
            bytes[bit / 8] ^= 1 << UInt8(bit % 8)
            _ = try? bytes.withUnsafeBytes { try Message(decoding: $0) }
        }
    }

    /// The bytes of the example in docs/formats/wire.md.
    @Test("the layout is the documented one")
    func pinnedBytes() {
        #expect(Message.commit(Sequence(0x0102)).encoded() == [11, 2, 1, 0, 0, 0, 0, 0, 0])
        #expect(Message.refusal("no").encoded() == [2, 2, 0x6E, 0x6F])
    }
}
