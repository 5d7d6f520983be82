extension Message {
    /// Versions of this protocol that this program speaks.
    public static let protocolVersions: ClosedRange<UInt16> = 3...3

    private enum Kind: UInt8 {
        case hello = 1
        case refusal = 2
        case proposal = 3
        case proposalAnswer = 4
        case lead = 5
        case resume = 6
        case diverged = 7
        case heartbeat = 8
        case heartbeatAnswer = 9
        case progress = 10
        case commit = 11
        case record = 12
        case handOver = 13
        case handOverRefused = 14
        case leave = 15
        case pause = 16
        case fetch = 17
        case seed = 18
        case seeding = 19
        case pageTaken = 20
        case arbiterRequest = 21
        case arbiterAnswer = 22
    }

    /// The message as one control packet's payload.
    public func encoded() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(64)
        bytes.append(kind.rawValue)
        switch self {
        case .hello(let hello): hello.encode(into: &bytes)
        case .otherProtocol(let versions):
            bytes.appendInteger(versions.oldest)
            bytes.appendInteger(versions.newest)
        case .refusal(let text), .diverged(let text), .handOverRefused(let text):
            bytes.append(shortText: text)
        case .proposal(let record), .record(let record): record.encode(into: &bytes)
        case .proposalAnswer(let answer):
            bytes.appendInteger(answer.version)
            bytes.append(flag: answer.refusal != nil)
            if let refusal = answer.refusal { bytes.append(shortText: refusal) }
        case .lead(let lead):
            bytes.appendInteger(lead.epoch.value)
            bytes.append(position: lead.bound)
            bytes.appendInteger(lead.logBegin.value)
        case .resume(let position): bytes.append(position: position)
        case .heartbeat(let heartbeat): heartbeat.encode(into: &bytes)
        case .heartbeatAnswer(let answer):
            bytes.appendInteger(answer.epoch.value)
            bytes.appendInteger(answer.echo.nanoseconds)
            bytes.append(flag: answer.isGranted)
            answer.progress.encode(into: &bytes)
        case .progress(let progress): progress.encode(into: &bytes)
        case .commit(let sequence): bytes.appendInteger(sequence.value)
        case .handOver(let handOver):
            bytes.appendInteger(handOver.epoch.value)
            bytes.append(position: handOver.position)
        case .leave, .pageTaken: break
        case .pause(let span): bytes.appendInteger(span.nanoseconds)
        case .fetch(let names): names.encode(into: &bytes)
        case .seed(let request): request.encode(into: &bytes)
        case .seeding(let seeding): seeding.encode(into: &bytes)
        case .arbiterRequest(let request): request.encode(into: &bytes)
        case .arbiterAnswer(let answer): answer.encode(into: &bytes)
        }
        return bytes
    }

    /// Reads one message.
    ///
    /// - Throws: `MessageError` unless `bytes` are exactly one message.
    public init(decoding bytes: UnsafeRawBufferPointer) throws(MessageError) {
        var reader = ByteReader(bytes)
        let type = try reader.integer(UInt8.self)
        guard let kind = Kind(rawValue: type) else { throw .unknownType(type) }
        switch kind {
        case .hello:
            // What another version of the program says after its range is not for this one to read.
            let versions = ProtocolRange(
                oldest: try reader.integer(), newest: try reader.integer())
            guard versions.overlaps(Self.protocolVersions) else {
                self = .otherProtocol(versions)
                return
            }
            self = .hello(try Hello(versions, from: &reader))
        case .refusal: self = .refusal(try reader.shortText())
        case .proposal: self = .proposal(try ClusterRecord(from: &reader))
        case .proposalAnswer:
            let version = try reader.integer(UInt64.self)
            let refusal: String? = try reader.flag() ? try reader.shortText() : nil
            self = .proposalAnswer(ProposalAnswer(version: version, refusal: refusal))
        case .lead:
            self = .lead(
                Lead(
                    epoch: Epoch(try reader.integer()), bound: try reader.position(),
                    logBegin: Sequence(try reader.integer())))
        case .resume: self = .resume(try reader.position())
        case .diverged: self = .diverged(try reader.shortText())
        case .heartbeat: self = .heartbeat(try Heartbeat(from: &reader))
        case .heartbeatAnswer:
            self = .heartbeatAnswer(
                HeartbeatAnswer(
                    epoch: Epoch(try reader.integer()),
                    echo: Instant(nanoseconds: try reader.integer()),
                    isGranted: try reader.flag(), progress: try Progress(from: &reader)))
        case .progress: self = .progress(try Progress(from: &reader))
        case .commit: self = .commit(Sequence(try reader.integer()))
        case .record: self = .record(try ClusterRecord(from: &reader))
        case .handOver:
            self = .handOver(
                HandOver(epoch: Epoch(try reader.integer()), position: try reader.position()))
        case .handOverRefused: self = .handOverRefused(try reader.shortText())
        case .leave: self = .leave
        case .pause: self = .pause(Span(nanoseconds: try reader.integer()))
        case .fetch: self = .fetch(try [RecordName](from: &reader))
        case .seed: self = .seed(try SeedRequest(from: &reader))
        case .seeding: self = .seeding(try Seeding(from: &reader))
        case .pageTaken: self = .pageTaken
        case .arbiterRequest: self = .arbiterRequest(try ArbiterRequest(from: &reader))
        case .arbiterAnswer: self = .arbiterAnswer(try ArbiterAnswer(from: &reader))
        }
        guard reader.isAtEnd else { throw .trailingBytes }
    }

    private var kind: Kind {
        switch self {
        case .hello, .otherProtocol: .hello
        case .refusal: .refusal
        case .proposal: .proposal
        case .proposalAnswer: .proposalAnswer
        case .lead: .lead
        case .resume: .resume
        case .diverged: .diverged
        case .heartbeat: .heartbeat
        case .heartbeatAnswer: .heartbeatAnswer
        case .progress: .progress
        case .commit: .commit
        case .record: .record
        case .handOver: .handOver
        case .handOverRefused: .handOverRefused
        case .leave: .leave
        case .pause: .pause
        case .fetch: .fetch
        case .seed: .seed
        case .seeding: .seeding
        case .pageTaken: .pageTaken
        case .arbiterRequest: .arbiterRequest
        case .arbiterAnswer: .arbiterAnswer
        }
    }
}

extension Hello {
    func encode(into bytes: inout [UInt8]) {
        bytes.appendInteger(versions.oldest)
        bytes.appendInteger(versions.newest)
        bytes.append(shortText: identity.node.text)
        bytes.append(identifier: identity.store)
        record.encode(into: &bytes)
        bytes.append(position: logEnd)
        bytes.append(flag: isInitialPrimary)
        bytes.append(flag: isPrimary)
        bytes.append(flag: isInConflict)
        bytes.appendInteger(lease.nanoseconds)
        bytes.appendInteger(grantWait.nanoseconds)
        bytes.append(flag: mode == .sync)
        bytes.appendInteger(maxLoss)
        history.encode(into: &bytes)
    }

    /// Reads what follows the range of versions.
    init(_ versions: ProtocolRange, from reader: inout ByteReader) throws(MessageError) {
        self.versions = versions
        identity = StoreIdentity(node: try reader.nodeName(), store: try reader.identifier())
        record = try ClusterRecord(from: &reader)
        logEnd = try reader.position()
        isInitialPrimary = try reader.flag()
        isPrimary = try reader.flag()
        isInConflict = try reader.flag()
        lease = Span(nanoseconds: try reader.integer())
        grantWait = Span(nanoseconds: try reader.integer())
        mode = try reader.flag() ? .sync : .async
        maxLoss = try reader.integer()
        history = try [EpochEntry](from: &reader)
    }
}

extension ClusterRecord {
    /// The record's bytes, as they stand on the wire and in `node.db`.
    public var encoded: [UInt8] {
        var bytes: [UInt8] = []
        encode(into: &bytes)
        return bytes
    }

    /// Reads what `encoded` wrote.
    public init(decoding bytes: [UInt8]) throws(MessageError) {
        var outcome: Result<ClusterRecord, MessageError>?
        bytes.withUnsafeBytes { bytes in
            var reader = ByteReader(bytes)
            do throws(MessageError) {
                let record = try ClusterRecord(from: &reader)
                outcome = reader.isAtEnd ? .success(record) : .failure(.trailingBytes)
            } catch {
                outcome = .failure(error)
            }
        }
        guard let outcome else { preconditionFailure("the body always runs") }
        self = try outcome.get()
    }

    func encode(into bytes: inout [UInt8]) {
        bytes.append(identifier: cluster)
        bytes.appendInteger(version)
        bytes.appendInteger(epoch.value)
        bytes.append(shortText: primary?.text ?? "")
        bytes.append(UInt8(inSync.count))
        for store in inSync {
            bytes.append(shortText: store.node.text)
            bytes.append(identifier: store.store)
        }
        bytes.append(position: since)
    }

    init(from reader: inout ByteReader) throws(MessageError) {
        let cluster = try reader.identifier()
        let version = try reader.integer(UInt64.self)
        let epoch = Epoch(try reader.integer())
        let primaryText = try reader.shortText()
        let primary = NodeName(primaryText)
        guard primary != nil || primaryText.isEmpty else {
            throw .malformed("the primary's name breaks the rules for names")
        }
        var inSync: [StoreIdentity] = []
        for _ in 0..<(try reader.integer(UInt8.self)) {
            inSync.append(
                StoreIdentity(node: try reader.nodeName(), store: try reader.identifier()))
        }
        self.init(
            cluster: cluster, version: version, epoch: epoch, primary: primary, inSync: inSync,
            since: try reader.position())
    }
}

extension [EpochEntry] {
    func encode(into bytes: inout [UInt8]) {
        let newest = suffix(Limits.historyEntriesMaximum)
        bytes.appendInteger(UInt16(newest.count))
        for entry in newest {
            bytes.appendInteger(entry.epoch.value)
            bytes.append(shortText: entry.node.text)
            bytes.append(position: entry.begins)
            bytes.append(position: entry.start)
            bytes.appendInteger(entry.wallMilliseconds)
            bytes.append(flag: entry.isOverride)
        }
    }

    init(from reader: inout ByteReader) throws(MessageError) {
        self = []
        let count = Int(try reader.integer(UInt16.self))
        guard count <= Limits.historyEntriesMaximum else {
            throw .malformed("the epoch history is too long")
        }
        for _ in 0..<count {
            append(
                EpochEntry(
                    epoch: Epoch(try reader.integer()), node: try reader.nodeName(),
                    begins: try reader.position(), start: try reader.position(),
                    wallMilliseconds: try reader.integer(), reason: "",
                    isOverride: try reader.flag()))
        }
    }
}

extension Heartbeat {
    func encode(into bytes: inout [UInt8]) {
        bytes.appendInteger(epoch.value)
        bytes.appendInteger(sent.nanoseconds)
        bytes.appendInteger(logEnd.value)
        bytes.appendInteger(logEndOffset)
        bytes.appendInteger(committed.value)
        bytes.append(flag: lagNanoseconds != nil)
        if let lagNanoseconds { bytes.appendInteger(lagNanoseconds) }
    }

    init(from reader: inout ByteReader) throws(MessageError) {
        epoch = Epoch(try reader.integer())
        sent = Instant(nanoseconds: try reader.integer())
        logEnd = Sequence(try reader.integer())
        logEndOffset = try reader.integer()
        committed = Sequence(try reader.integer())
        lagNanoseconds = try reader.flag() ? try reader.integer() : nil
    }
}

extension Progress {
    func encode(into bytes: inout [UInt8]) {
        bytes.appendInteger(received.value)
        bytes.appendInteger(durable.value)
        bytes.appendInteger(durableOffset)
        bytes.appendInteger(applied.value)
        bytes.appendInteger(appliedOffset)
    }

    init(from reader: inout ByteReader) throws(MessageError) {
        received = Sequence(try reader.integer())
        durable = Sequence(try reader.integer())
        durableOffset = try reader.integer()
        applied = Sequence(try reader.integer())
        appliedOffset = try reader.integer()
    }
}
