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
            reason: "", isOverride: true)
        return hellos(store, record, entry) + roles(record) + following(entry)
            + repairs(entry) + arbiter(store, record)
    }

    private static let progress = Progress(
        received: Sequence(1), durable: Sequence(2), durableOffset: 3, applied: Sequence(4),
        appliedOffset: 5)

    private static func hellos(
        _ store: StoreIdentity, _ record: ClusterRecord, _ entry: EpochEntry
    ) -> [Message] {
        [(false, false), (true, false), (false, true)].map { isPrimary, isInConflict in
            .hello(
                Hello(
                    versions: ProtocolRange(oldest: 1, newest: 3), identity: store, record: record,
                    logEnd: position, history: [entry, entry], isInitialPrimary: true,
                    isPrimary: isPrimary, isInConflict: isInConflict, lease: .seconds(3),
                    grantWait: .milliseconds(3_030), mode: .async, maxLoss: 6))
        } + [.refusal("سند refuses")]
    }

    private static func roles(_ record: ClusterRecord) -> [Message] {
        [
            .proposal(record), .proposal(.initial(cluster: record.cluster)), .record(record),
            .proposalAnswer(ProposalAnswer(version: 7, refusal: nil)),
            .proposalAnswer(ProposalAnswer(version: 7, refusal: "no")),
            .handOver(HandOver(epoch: Epoch(3), position: position)),
            .handOverRefused("it is being repaired"), .leave, .pause(.zero), .pause(.seconds(60)),
        ]
    }

    private static func following(_ entry: EpochEntry) -> [Message] {
        let beats = [nil, 8].map { lag in
            Message.heartbeat(
                Heartbeat(
                    epoch: Epoch(3), sent: Instant(nanoseconds: 99), logEnd: Sequence(1),
                    logEndOffset: 2, committed: Sequence(1), lagNanoseconds: lag))
        }
        return beats + [
            .lead(Lead(epoch: Epoch(3), bound: position, logBegin: Sequence(4))),
            .resume(position), .diverged(""), .progress(progress), .commit(Sequence(12)),
            .heartbeatAnswer(
                HeartbeatAnswer(
                    epoch: Epoch(3), echo: Instant(nanoseconds: 99), isGranted: true,
                    progress: progress)),
        ]
    }

    private static func repairs(_ entry: EpochEntry) -> [Message] {
        let names = [RecordName(bytes: Array("pupils\tamina".utf8))].compactMap(\.self)
        return [
            .fetch([]), .fetch(names + names), .seed(SeedRequest(base: nil, cursor: nil)),
            .seed(SeedRequest(base: position, cursor: [1, 2, 3])),
            .seeding(Seeding(base: position, offset: 77, history: [entry])), .pageTaken,
        ]
    }

    private static func arbiter(_ store: StoreIdentity, _ record: ClusterRecord) -> [Message] {
        let kinds: [ArbiterRequest.Kind] = [
            .read, .renew(epoch: Epoch(3), committed: Sequence(9)),
            .change(expected: 6, record: record, committed: Sequence(9)), .release(epoch: Epoch(3)),
        ]
        let outcomes: [ArbiterAnswer.Outcome] = [
            .seen, .granted, .changed, .outdated, .leaseHeld, .refused("another cluster"),
        ]
        let view = ArbiterView(
            record: record, committed: Sequence(9), remaining: .milliseconds(3_030))
        return kinds.map { kind in
            .arbiterRequest(
                ArbiterRequest(
                    cluster: record.cluster, identity: store, sent: Instant(nanoseconds: 99),
                    wait: .milliseconds(3_030), kind: kind))
        }
            + outcomes.map { outcome in
                .arbiterAnswer(
                    ArbiterAnswer(
                        echo: Instant(nanoseconds: 99), outcome: outcome, view: view))
            }
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

    @Test("of another version's greeting the range is read, and no more", arguments: [1, 4])
    func otherVersion(version: UInt16) throws {
        let own = Message.protocolVersions
        try #require(!own.contains(version))
        let hello = try #require(Self.samples.first).encoded()
        let range = [UInt8(version), 0, UInt8(version), 0]
        for rest in [[], Array(hello[5...]), [0xFF, 0xFF]] {
            let bytes = [hello[0]] + range + rest
            let message = try bytes.withUnsafeBytes { try Message(decoding: $0) }
            #expect(message == .otherProtocol(ProtocolRange(oldest: version, newest: version)))
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

    @Test("every type of message has a sample")
    func everyType() {
        let types = Set(Self.samples.map { $0.encoded()[0] })
        #expect(types == Set(1...22))
    }

    @Test("a wait beyond the longest one, and too many names, are refused")
    func bounds() throws {
        let rabat = try #require(Self.rabat)
        let request = ArbiterRequest(
            cluster: .none, identity: StoreIdentity(node: rabat, store: .none), sent: .zero,
            wait: Limits.grantWaitMaximum + Span(nanoseconds: 1), kind: .read)
        let name = try #require(RecordName(bytes: [97, 9, 97]))
        let names = [RecordName](repeating: name, count: Limits.fetchNamesMaximum + 1)
        for message in [Message.arbiterRequest(request), .fetch(names)] {
            let bytes = message.encoded()
            #expect(throws: MessageError.self) {
                try bytes.withUnsafeBytes { try Message(decoding: $0) }
            }
        }
    }
}

@Suite("Pages on the wire")
struct PagePacketTests {
    static let samples = [
        PagePacket(purpose: .rows, readAt: Sequence(0x0102), isLast: true, rows: []),
        PagePacket(purpose: .snapshot, readAt: Sequence(7), isLast: false, rows: [1, 2, 3]),
    ]

    @Test("a page comes back as it was", arguments: samples)
    func roundTrip(_ packet: PagePacket) throws {
        #expect(try PagePacket(decoding: packet.encoded()) == packet)
    }

    @Test("a header that is cut short, or says what it may not, is refused")
    func refused() {
        let bytes = Self.samples[0].encoded()
        for length in 0..<bytes.count {
            #expect(throws: MessageError.self) { try PagePacket(decoding: Array(bytes[..<length])) }
        }
        #expect(throws: MessageError.unknownType(3)) {
            try PagePacket(decoding: [3] + bytes.dropFirst())
        }
        #expect(throws: MessageError.self) {
            try PagePacket(decoding: [1, 2] + bytes.dropFirst(2))
        }
    }
}
