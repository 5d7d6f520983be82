@testable import SanadCore

/// Two replicas, a witness if there is one, and ways between them that take no time and are cut by
/// hand. Time goes on only when a test says so; faults by chance are the simulator's business.
struct Pair {
    enum Name: Int, CaseIterable { case rabat, marrakech }

    var sites: [Site] = []
    var witness: Witness?
    var now = Instant.at(100_000)
    var isLinkCut = false
    /// Sites whose questions do not arrive.
    var isWitnessCut = [false, false]
    /// Sites at which nothing arrives from the other, though the link stands.
    var isDeaf = [false, false]
    /// What each site asked the witness last, whether it arrived or not.
    private(set) var lastQuestion: [ArbiterRequest?] = [nil, nil]
    /// An answer to `askVeto`; nil: agreed.
    var veto: String?

    private enum Delivery {
        case input(Input, Int)
        case question(ArbiterRequest, Int)
    }

    /// What is on its way, in order.
    private var deliveries: [Delivery] = []
    private var isUp = false

    /// - Parameter change: what is to be different from sync, automatic, defaults.
    init(hasArbiter: Bool = false, _ change: (inout ReplicaOptions) -> Void = { _ in }) {
        let stores = [Places.rabat, Places.marrakech]
        for index in stores.indices {
            var options = ReplicaOptions(
                cluster: Places.cluster, identity: stores[index], peer: stores[1 - index].node,
                mode: .sync, hasArbiter: hasArbiter, isInitialPrimary: index == 0,
                timing: Places.timing)
            change(&options)
            sites.append(Site(options, now: now))
        }
        guard hasArbiter else { return }
        witness = Witness(
            durable: Witness.Durable(
                record: .initial(cluster: Places.cluster), committed: .zero),
            members: Set(stores.map(\.node)), now: now, wait: .zero)
    }

    /// A cluster that has come together: Rabat is primary and has a lease, Marrakech follows.
    static func settled(
        hasArbiter: Bool = false, _ change: (inout ReplicaOptions) -> Void = { _ in }
    ) -> Pair {
        var pair = Pair(hasArbiter: hasArbiter, change)
        pair.wait(.seconds(2))
        pair.write()
        for index in pair.sites.indices { pair.sites[index].wanted = [] }
        return pair
    }

    var rabat: Site {
        get { sites[0] }
        set { sites[0] = newValue }
    }
    var marrakech: Site {
        get { sites[1] }
        set { sites[1] = newValue }
    }

    /// The sites that may acknowledge at this moment.
    var writable: [Name] {
        Name.allCases.filter {
            sites[$0.rawValue].isRunning && sites[$0.rawValue].replica.isWritable(at: now)
        }
    }

    // MARK: What happens

    /// Lets time pass, in steps that are short beside every deadline.
    mutating func wait(_ span: Span) {
        let end = now + span
        while now < end {
            now = min(end, now + .milliseconds(10))
            pass()
        }
    }

    /// One look at the clock, without time going on.
    mutating func pass() {
        connect()
        for index in sites.indices where sites[index].isRunning {
            deliveries.append(.input(.tick, index))
        }
        deliver()
    }

    mutating func feed(_ input: Input, to name: Name) {
        deliveries.append(.input(input, name.rawValue))
        deliver()
    }

    mutating func command(_ command: OperatorCommand, at name: Name) {
        feed(.command(command, reason: "test"), to: name)
    }

    /// A write at the primary, whether it is acknowledged or not.
    mutating func write(at name: Name = .rabat) {
        feed(.submitted(sites[name.rawValue].nextFrame), to: name)
    }

    mutating func cutLink() {
        isLinkCut = true
        disconnect()
        deliver()
    }

    mutating func kill(_ name: Name) {
        sites[name.rawValue].isRunning = false
        disconnect()
        deliver()
    }

    mutating func restart(_ name: Name) {
        disconnect()
        sites[name.rawValue].restart(now: now)
        deliver()
    }

    /// The disk goes on with what was asked of it.
    mutating func freeDisk(_ name: Name) {
        sites[name.rawValue].isDiskStuck = false
        if let done = sites[name.rawValue].sync() { feed(done, to: name) }
    }

    /// The record table takes what was committed meanwhile.
    mutating func freeTable(_ name: Name) {
        sites[name.rawValue].isTableStuck = false
        guard
            let last = sites[name.rawValue].log.last(where: {
                $0.header.last <= sites[name.rawValue].replica.committed
            })
        else { return }
        feed(.applied(last.header.last, offset: last.header.logEnd), to: name)
    }

    /// The witness comes back with an empty store, and knows nobody's lease.
    mutating func emptyWitness() {
        witness = Witness(
            durable: Witness.Durable(
                record: .initial(cluster: Places.cluster), committed: .zero),
            members: Set(sites.map(\.options.identity.node)), now: now,
            wait: Places.timing.grantWait)
    }

    // MARK: The ways

    private mutating func connect() {
        guard !isUp, !isLinkCut, sites.allSatisfy(\.isRunning) else { return }
        isUp = true
        for index in sites.indices { deliveries.append(.input(.linkUp, index)) }
    }

    private mutating func disconnect() {
        guard isUp else { return }
        isUp = false
        // What was under way between the two is lost.
        deliveries.removeAll { delivery in
            switch delivery {
            case .input(.message, _), .input(.frame, _), .input(.page, _): true
            default: false
            }
        }
        for index in sites.indices { deliveries.append(.input(.linkDown, index)) }
    }

    private mutating func deliver() {
        var steps = 0
        while !deliveries.isEmpty {
            steps += 1
            precondition(steps < 10_000, "the two go round in circles")
            switch deliveries.removeFirst() {
            case .input(let input, let index): step(input, index)
            case .question(let question, let index): ask(question, index)
            }
        }
    }

    private mutating func step(_ input: Input, _ index: Int) {
        guard sites[index].isRunning else { return }
        let (effects, answers) = sites[index].step(input, now: now)
        // What the disk answers is heard before anything that comes from elsewhere.
        deliveries.insert(contentsOf: answers.map { .input($0, index) }, at: 0)
        for effect in effects {
            switch effect {
            case .send(let message): send(.message(message), from: index)
            case .ship(let frame): send(.frame(frame), from: index)
            case .shipPage(let bytes): send(.page(bytes), from: index)
            case .ask(let question): deliveries.append(.question(question, index))
            case .askVeto: deliveries.append(.input(.vetoAnswered(veto), index))
            case .closeLink: disconnect()
            default: break
            }
        }
    }

    private mutating func send(_ input: Input, from index: Int) {
        if isUp, !isDeaf[1 - index] { deliveries.append(.input(input, 1 - index)) }
    }

    private mutating func ask(_ question: ArbiterRequest, _ index: Int) {
        lastQuestion[index] = question
        let sender = sites[index].options.identity.node
        guard !isWitnessCut[index],
            let answer = witness?.answer(question, from: sender, now: now).answer
        else { return }
        step(.arbiter(answer), index)
    }
}
