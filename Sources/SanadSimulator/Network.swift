internal import SanadCore

enum Packet {
    /// The connection stands.
    case open
    case message(Message)
    case frame(Frame)
    case page([UInt8])
    /// The other side has closed it, or is gone.
    case end
}

/// A TCP connection between the two hosts: each direction keeps its order.
struct Connection {
    struct Flight {
        var arrives: UInt64
        var packet: Packet
    }

    /// Toward each host.
    var queues: [[Flight]] = [[], []]
    var last: [UInt64] = [0, 0]
    /// An event is planned for the first packet.
    var isPlanned = [false, false]
}

/// The ways between the three places; each direction by itself.
enum Path: Int, CaseIterable {
    /// Between the hosts: toward the first, toward the second.
    case toFirst, toSecond
    /// Between each host and the arbiter.
    case firstToArbiter, secondToArbiter, arbiterToFirst, arbiterToSecond

    static func toHost(_ host: Int) -> Path { host == 0 ? .toFirst : .toSecond }
    static func toArbiter(from host: Int) -> Path {
        host == 0 ? .firstToArbiter : .secondToArbiter
    }
    static func fromArbiter(to host: Int) -> Path {
        host == 0 ? .arbiterToFirst : .arbiterToSecond
    }
}

/// What the ways are like at the moment.
struct Network {
    /// Nothing passes before that true time.
    var blockedUntil = [UInt64](repeating: 0, count: Path.allCases.count)
    /// Packets are slow before that true time.
    var slowUntil: UInt64 = 0
    var connections: [Int: Connection] = [:]
    var newest = 0

    func isBlocked(_ path: Path, at time: UInt64) -> Bool { time < blockedUntil[path.rawValue] }

    /// How long one packet takes: mostly the usual way between two cities.
    func delay(at time: UInt64, _ random: inout Generator) -> UInt64 {
        if time < slowUntil { return random.milliseconds(50...1_500) }
        return random.once(in: 40)
            ? random.milliseconds(0...250) : 2_000_000 + random.number(0...6_000_000)
    }
}

extension World {
    // MARK: The connection

    /// The second host dials the first, again and again.
    mutating func dial() {
        plan(.dial, after: random.milliseconds(100...(isHealed ? 300 : 800)))
        guard hosts[1].process != nil, hosts[1].process?.connection == nil,
            hosts[0].process != nil, !hosts[0].isPaused(at: time), !hosts[1].isPaused(at: time),
            !network.isBlocked(.toFirst, at: time), !network.isBlocked(.toSecond, at: time)
        else { return }
        network.newest += 1
        network.connections = network.connections.filter { entry in
            hosts.contains { $0.process?.connection == entry.key }
        }
        network.connections[network.newest] = Connection()
        hosts[1].process?.connection = network.newest
        send(.open, toward: 0, on: network.newest)
        send(.open, toward: 1, on: network.newest)
    }

    mutating func send(_ packet: Packet, toward host: Int, on number: Int) {
        guard var connection = network.connections[number] else { return }
        network.connections[number] = nil
        let arrives = max(
            time + network.delay(at: time, &random), connection.last[host])
        connection.last[host] = arrives
        connection.queues[host].append(.init(arrives: arrives, packet: packet))
        if !connection.isPlanned[host] {
            connection.isPlanned[host] = true
            timeline.plan(.arrive(connection: number, host: host), at: arrives)
        }
        network.connections[number] = connection
    }

    mutating func arrive(_ number: Int, at host: Int) {
        guard network.connections[number]?.queues[host].isEmpty == false else { return }
        if network.isBlocked(.toHost(host), at: time) {
            // TCP sends it again until somebody gives the connection up.
            plan(.arrive(connection: number, host: host), after: 150_000_000)
            return
        }
        guard let flight = network.connections[number]?.queues[host].removeFirst() else { return }
        if let next = network.connections[number]?.queues[host].first {
            timeline.plan(
                .arrive(connection: number, host: host), at: max(time + 1, next.arrives))
        } else {
            network.connections[number]?.isPlanned[host] = false
        }
        deliver(flight.packet, of: number, to: host)
    }

    private mutating func deliver(_ packet: Packet, of number: Int, to host: Int) {
        guard hosts[host].process != nil else { return reject(packet, of: number, at: host) }
        if case .open = packet, host == 0 {
            if hosts[0].process?.connection != nil { feed(0, .linkDown) }
            hosts[0].process?.connection = number
        }
        guard hosts[host].process?.connection == number else {
            return reject(packet, of: number, at: host)
        }
        switch packet {
        case .open:
            hosts[host].process?.pagesOut = 0
            hosts[host].process?.shippedOffset = 0
            feed(host, .linkUp)
        case .message(let message):
            if case .pageTaken = message { hosts[host].process?.pagesOut -= 1 }
            note("\(names.hosts[host]) hears \(brief(message))")
            feed(host, .message(message))
        case .frame(let frame): feed(host, .frame(frame))
        case .page(let bytes): feed(host, .page(bytes))
        case .end:
            hosts[host].process?.connection = nil
            feed(host, .linkDown)
        }
    }

    /// What belongs to no connection here is answered with a reset.
    private mutating func reject(_ packet: Packet, of number: Int, at host: Int) {
        if case .end = packet { return }
        guard hosts[1 - host].process?.connection == number else { return }
        send(.end, toward: 1 - host, on: number)
    }

    /// Closes this side of its connection; what the other side had sent is lost.
    mutating func closeConnection(of host: Int, isSilent: Bool = false) {
        guard let number = hosts[host].process?.connection else { return }
        hosts[host].process?.connection = nil
        network.connections[number]?.queues[host] = []
        guard !isSilent else { return }
        if random.flip() { loseTail(of: number, toward: 1 - host) }
        send(.end, toward: 1 - host, on: number)
    }

    /// A reset throws away what was not delivered yet: some of it, from the end.
    private mutating func loseTail(of number: Int, toward host: Int) {
        guard let count = network.connections[number]?.queues[host].count, count > 1 else { return }
        network.connections[number]?.queues[host].removeLast(random.index(count))
    }

    mutating func resetConnection() {
        guard let number = hosts.compactMap({ $0.process?.connection }).max() else { return }
        for host in hosts.indices {
            loseTail(of: number, toward: host)
            send(.end, toward: host, on: number)
        }
    }
}
