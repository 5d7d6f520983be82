@testable import SanadCore

/// Two replicas, two disks and a link, in one thread under one clock: every chance comes from one
/// seed.
///
/// The checks run after each step: at most one node may acknowledge; histories agree on every
/// position that both hold; what was acknowledged on both sites is never lost.
struct World {
    struct SplitMix: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var value = state
            value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
            value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
            return value ^ (value >> 31)
        }
    }

    /// One node: what survives a crash, and what does not.
    struct Host {
        var identity: StoreIdentity
        // Survives.
        var record: ClusterRecord
        var history: [EpochEntry] = []
        var log: [Frame] = []
        var applied = Sequence.zero
        var quarantined = 0
        // Does not.
        var replica: Replica?
        var appends: [Frame] = []
        var isPaused = false
        /// This host's clock runs at `rate` parts per million beside true time.
        var rate: UInt64 = 1_000_000
        var problems: [String] = []

        var end: Position { log.last?.position ?? .origin }
        var endOffset: UInt64 { log.last?.header.logEnd ?? 0 }
    }

    enum Packet {
        case message(Message)
        case frame(Frame)
    }

    struct Flight {
        var arrives: UInt64
        var connection: Int
        var packet: Packet
    }

    var hosts: [Host]
    var random: SplitMix
    /// True time, in nanoseconds.
    var time: UInt64 = 1_000_000_000
    /// The connection between the two; packets of an older one never arrive.
    var connection = 0
    var isConnected = false
    var isCut = false
    var flights: [[Flight]] = [[], []]
    var violations: [String] = []
    /// Acknowledged as durable on both sites: sequence to chain hash of its frame.
    var acknowledged: [Position] = []
    var acknowledgements = 0
    var promotions = 0
    let mode: ReplicationMode
    let timing = Timing(
        heartbeat: .milliseconds(500), lease: .seconds(3), grantWait: .milliseconds(3_030))
    let cluster = Identifier(high: 7, low: 7)
    let names: [NodeName]

    init(seed: UInt64, mode: ReplicationMode = .sync) {
        random = SplitMix(state: seed)
        self.mode = mode
        names = ["rabat", "marrakech"].compactMap { NodeName($0) }
        hosts = []
        for (index, name) in names.enumerated() {
            hosts.append(
                Host(
                    identity: StoreIdentity(
                        node: name, store: Identifier(high: 1, low: UInt64(index))),
                    record: .initial(cluster: cluster)))
        }
        for index in hosts.indices {
            // Within the stated drift of 1 %, to each side.
            hosts[index].rate = .random(in: 995_100...1_004_900, using: &random)
            start(index)
        }
    }

    func now(_ index: Int) -> Now {
        Now(
            instant: Instant(nanoseconds: time / 1_000_000 * hosts[index].rate),
            wallMilliseconds: time / 1_000_000)
    }

    // MARK: Faults

    mutating func start(_ index: Int) {
        let host = hosts[index]
        let known = host.log.map(\.header.committed).max() ?? .zero
        hosts[index].isPaused = false
        hosts[index].replica = Replica(
            options: ReplicaOptions(
                cluster: cluster, identity: host.identity, peer: names[1 - index], mode: mode,
                isInitialPrimary: index == 0, isFailoverAutomatic: true, timing: timing),
            recovered: RecoveredState(
                record: host.record, history: host.history, logEnd: host.end,
                logEndOffset: host.endOffset, committed: max(known, host.applied),
                applied: host.applied), now: now(index))
    }

    mutating func crash(_ index: Int) {
        hosts[index].replica = nil
        hosts[index].appends = []
        disconnect()
    }

    mutating func disconnect() {
        guard isConnected else { return }
        isConnected = false
        flights = [[], []]
        for index in hosts.indices { feed(index, .linkDown) }
    }

    mutating func connect() {
        guard !isConnected, !isCut,
            hosts.allSatisfy({ $0.replica != nil && !$0.isPaused })
        else { return }
        isConnected = true
        connection += 1
        for index in hosts.indices { feed(index, .linkUp) }
    }

    // MARK: Steps

    /// Lets 50 ms or less of true time pass, and does what is due.
    mutating func advance() {
        time += .random(in: 1...50_000_000, using: &random)
        if Int.random(in: 0..<4, using: &random) == 0 { connect() }
        for index in hosts.indices where !hosts[index].isPaused {
            deliver(to: index)
            write(at: index)
            feed(index, .tick)
            flushAppends(index)
            check()
        }
    }

    private mutating func deliver(to index: Int) {
        while let flight = flights[index].first, flight.arrives <= time {
            flights[index].removeFirst()
            guard isConnected, flight.connection == connection else { continue }
            switch flight.packet {
            case .message(let message): feed(index, .message(message))
            case .frame(let frame): feed(index, .frame(frame))
            }
        }
    }

    private mutating func write(at index: Int) {
        guard let replica = hosts[index].replica,
            replica.admission(at: now(index).instant) == .open, hosts[index].appends.isEmpty,
            Bool.random(using: &random)
        else { return }
        var encoder = FrameEncoder(
            after: replica.logEnd, epoch: replica.record.epoch, committed: replica.committed,
            logOffset: replica.logEndOffset, wallMilliseconds: 0)
        for _ in 0...Int.random(in: 0..<3, using: &random) {
            var transaction = TransactionBytes()
            transaction.append(
                .put, collection: "c", key: "k", value: "\(random.next())")
            _ = encoder.append(transaction)
        }
        feed(index, .submitted(encoder.finish()))
    }

    private mutating func flushAppends(_ index: Int) {
        guard hosts[index].replica != nil, !hosts[index].appends.isEmpty,
            Int.random(in: 0..<3, using: &random) > 0
        else { return }
        hosts[index].log += hosts[index].appends
        hosts[index].appends = []
        feed(index, .appended(hosts[index].end, offset: hosts[index].endOffset))
    }

    mutating func feed(_ index: Int, _ input: Input) {
        guard hosts[index].replica != nil else { return }
        var inputs = [input]
        while !inputs.isEmpty {
            var effects: [Effect] = []
            let now = now(index)
            hosts[index].replica?.step(inputs.removeFirst(), now: now, into: &effects)
            for effect in effects { perform(effect, index, &inputs) }
        }
    }

    private mutating func perform(_ effect: Effect, _ index: Int, _ inputs: inout [Input]) {
        switch effect {
        case .send(let message): send(.message(message), from: index)
        case .ship(let frame): send(.frame(frame), from: index)
        case .append(let frame): hosts[index].appends.append(frame)
        case .persist(let record): hosts[index].record = record
        case .remember(let entry): hosts[index].history.append(entry)
        case .forget(let sequence):
            hosts[index].history.removeAll { $0.start.sequence > sequence }
        case .commit(let sequence): commit(sequence, index, &inputs)
        case .readLog(let after, _):
            inputs.append(.logRead(hosts[index].log.filter { $0.header.first > after }))
        case .findBoundary(let sequence):
            settleAppends(index, &inputs)
            let frame = hosts[index].log.last { $0.header.last == sequence }
            inputs.append(
                .boundary(
                    sequence == .zero ? .origin : frame?.position,
                    offset: frame?.header.logEnd ?? 0))
        case .cutLog(let position):
            settleAppends(index, &inputs)
            let kept = hosts[index].log.filter { $0.header.last <= position.sequence }
            hosts[index].quarantined += hosts[index].log.count - kept.count
            hosts[index].log = kept
            inputs.append(.logCut(offset: hosts[index].endOffset))
        case .closeLink: closeLink(index, &inputs)
        case .roleChanged(let role, let reason):
            if role == .primary, reason.contains("grant expired") { promotions += 1 }
        case .abandonWrites, .peerRefused: break
        case .report(let report):
            if report.level == .error { hosts[index].problems.append(report.message) }
        }
    }

    private mutating func settleAppends(_ index: Int, _ inputs: inout [Input]) {
        guard !hosts[index].appends.isEmpty else { return }
        hosts[index].log += hosts[index].appends
        hosts[index].appends = []
        inputs.append(.appended(hosts[index].end, offset: hosts[index].endOffset))
    }

    private mutating func closeLink(_ index: Int, _ inputs: inout [Input]) {
        guard isConnected else { return }
        isConnected = false
        flights = [[], []]
        inputs.append(.linkDown)
        if !hosts[1 - index].isPaused { feed(1 - index, .linkDown) }
    }

    private mutating func commit(_ sequence: Sequence, _ index: Int, _ inputs: inout [Input]) {
        guard let replica = hosts[index].replica else { return }
        let frames = hosts[index].log.filter {
            $0.header.last <= sequence && $0.header.first > hosts[index].applied
        }
        if let last = frames.last {
            hosts[index].applied = last.header.last
            inputs.append(.applied(last.header.last, offset: last.header.logEnd))
        }
        guard replica.role == .primary else { return }
        acknowledgements += frames.count
        if !replica.isWritable(at: now(index).instant) {
            violations.append("\(names[index]) committed \(sequence) without the right to")
        }
        if replica.needsStandby || mode == .sync { acknowledged += frames.map(\.position) }
    }

    private mutating func send(_ packet: Packet, from index: Int) {
        guard isConnected else { return }
        // One connection keeps its order; each packet takes 5 ms or up to a quarter of a second.
        let slow = Int.random(in: 0..<20, using: &random) == 0
        let delay: UInt64 = slow ? .random(in: 0...250_000_000, using: &random) : 5_000_000
        let arrives = max(time + delay, flights[1 - index].last?.arrives ?? 0)
        flights[1 - index].append(
            Flight(arrives: arrives, connection: connection, packet: packet))
    }

    // MARK: Checks

    private mutating func check() {
        let writable = hosts.indices.filter { index in
            guard let replica = hosts[index].replica, !hosts[index].isPaused else { return false }
            return replica.isWritable(at: now(index).instant)
        }
        if writable.count > 1 { violations.append("two primaries at \(time)") }
    }

    /// To be called when all is healed: both logs are the same and hold all that was acknowledged.
    func lost() -> [Position] {
        let held = Set(hosts.flatMap { host in host.log.map(\.position.hash) })
        return acknowledged.filter { !held.contains($0.hash) }
    }
}
