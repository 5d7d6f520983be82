internal import SanadCore

/// What can go wrong, or be done by an operator, while the faults are on.
enum Fault: CaseIterable {
    case crash, powerLoss, siteLoss, pause, partition, oneWay, isolation, reset, slowness
    case arbiterCrash, arbiterPause, arbiterIsolation, arbiterLoss
    case copyStore, restoreStore, loseStore, failStore, stop, clockRate
    case switchover, promote, acceptLoss, runAlone, fence, pauseFailover, giveWay, reseed

    /// One in so many worlds knows this fault.
    var rarity: UInt64 {
        switch self {
        case .crash, .pause, .partition, .reset, .switchover: 1
        case .powerLoss, .siteLoss, .oneWay, .isolation, .arbiterCrash, .slowness, .promote,
            .copyStore, .arbiterIsolation:
            2
        case .arbiterPause, .stop, .clockRate, .pauseFailover, .giveWay: 3
        case .fence, .reseed, .loseStore, .failStore, .arbiterLoss: 5
        case .restoreStore, .acceptLoss, .runAlone: 6
        }
    }
}

extension World {
    /// One fault, and the plan for the next.
    mutating func strike() {
        guard !isHealed else { return }
        plan(.fault, after: random.milliseconds(50...setting.faultSpacing))
        let sum = setting.weights.reduce(0, +)
        var drawn = random.number(1...sum)
        for (fault, weight) in zip(Fault.allCases, setting.weights) {
            if drawn <= weight { return strike(fault, random.index(2)) }
            drawn -= weight
        }
    }

    private mutating func strike(_ fault: Fault, _ host: Int) {
        note("fault: \(fault) \(names.hosts[host])")
        let span = random.once(in: 3) ? random.milliseconds(50...2_000) : randomOutage()
        switch fault {
        case .crash: crashByFault(host, isPower: false)
        case .powerLoss: crashByFault(host, isPower: true)
        case .siteLoss: crashByFault(primaryOr(host), isPower: true)
        case .pause: pause(host, random.milliseconds(1...9_000))
        case .partition: block([.toFirst, .toSecond], span)
        case .oneWay: block([Path.allCases[random.index(Path.allCases.count)]], span)
        case .isolation:
            let host = primaryOr(host)
            block([.toFirst, .toSecond, .toArbiter(from: host), .fromArbiter(to: host)], span)
        case .reset:
            count(\.resets)
            resetConnection()
        case .slowness: network.slowUntil = time + span
        case .arbiterCrash:
            count(\.arbiterCrashes)
            crashArbiter(losingStore: false)
        case .arbiterPause: arbiter.pausedUntil = max(arbiter.pausedUntil, time + span)
        case .arbiterIsolation:
            block([.firstToArbiter, .secondToArbiter, .arbiterToFirst, .arbiterToSecond], span)
        case .arbiterLoss: crashArbiter(losingStore: true)
        case .copyStore: hosts[host].copy = hosts[host].disk
        case .restoreStore: restoreStore(host)
        case .loseStore: loseStore(host)
        case .failStore:
            guard hosts[host].process != nil else { return }
            count(\.storeFailures)
            feed(host, .storeFailed("the disk reports an error"))
        case .stop: stop(host)
        case .clockRate: hosts[host].clock.setRate(HostClock.drawRate(&random), at: time)
        case .switchover:
            count(\.switchoversAsked)
            command(.switchover, primaryOr(host))
        case .promote: command(.promote(acceptLoss: false), host)
        case .acceptLoss: command(.promote(acceptLoss: true), host)
        case .runAlone: command(.runAlone, host)
        case .fence: command(hosts[host].disk.fence == nil ? .fence : .liftFence, host)
        case .pauseFailover: pauseFailover(host)
        case .giveWay: command(.giveWay, host)
        case .reseed: command(.reseed, host)
        }
    }

    private mutating func randomOutage() -> UInt64 { random.milliseconds(1_000...15_000) }

    /// The primary, mostly: there faults matter most.
    private mutating func primaryOr(_ host: Int) -> Int {
        guard random.index(4) > 0 else { return host }
        return hosts.indices.first { hosts[$0].process?.replica.role == .primary } ?? host
    }

    private mutating func block(_ paths: [Path], _ span: UInt64) {
        count(\.partitions)
        for path in paths {
            let until = max(network.blockedUntil[path.rawValue], time + span)
            network.blockedUntil[path.rawValue] = until
        }
    }

    private mutating func crashByFault(_ host: Int, isPower: Bool) {
        guard hosts[host].process != nil else { return }
        count(\.crashes)
        crash(host, isPower: isPower)
    }

    private mutating func stop(_ host: Int) {
        guard let process = hosts[host].process?.number, !hosts[host].isPaused(at: time) else {
            return
        }
        count(\.stops)
        plan(.stopped(host: host, process: process), after: random.milliseconds(10...2_500))
        feed(host, .stopping)
    }

    // MARK: Stores

    private mutating func loseStore(_ host: Int) {
        crash(host, isPower: true)
        let fresh = freshDisk(of: host)
        excuseLosses(of: host, becoming: fresh)
        hosts[host].disk = fresh
        count(\.storesLost)
    }

    /// An operator puts an older copy of the store back.
    private mutating func restoreStore(_ host: Int) {
        guard let copy = hosts[host].copy, copy.identity == hosts[host].disk.identity else {
            return
        }
        // Without an arbiter nobody else keeps the record: a copy from before its last change
        // is outside what can be promised.
        guard setting.hasArbiter || copy.record == hosts[host].disk.record else { return }
        crash(host, isPower: true)
        excuseLosses(of: host, becoming: copy)
        hosts[host].disk = copy
        count(\.storesRestored)
    }

    // MARK: Operators

    mutating func command(_ command: OperatorCommand, _ host: Int) {
        guard let replica = hosts[host].process?.replica, !hosts[host].isPaused(at: time),
            replica.objection(to: command, at: now(host).instant) == nil
        else { return }
        count(\.commands)
        note("operator at \(names.hosts[host]): \(command)")
        switch command {
        case .giveWay: gaveWay(host)
        case .promote(acceptLoss: true), .runAlone:
            ledger.hasOverride = true
            ledger.lossAccepted = host
        default: break
        }
        feed(host, .command(command, reason: "operator"))
    }

    private mutating func pauseFailover(_ host: Int) {
        let span = Span(nanoseconds: random.milliseconds(1_000...20_000))
        command(random.flip() ? .pause(until: now(host).instant + span) : .resume, host)
    }
}
