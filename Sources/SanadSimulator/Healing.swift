internal import SanadCore

/// What the operator of the healed cluster has seen.
struct Watch {
    var healedAt: UInt64 = 0
    /// Since when both sites have been one cluster without a break.
    var togetherSince: UInt64?
    var quietSince: UInt64?
    var lastAction: UInt64 = 0
    /// When there was a primary last.
    var primarySeen: UInt64 = 0
    var isSettled = false
}

extension World {
    /// The end of the faults: everything runs and reaches everything.
    mutating func heal() {
        isHealed = true
        note("healed")
        network.blockedUntil = network.blockedUntil.map { _ in 0 }
        network.slowUntil = 0
        arbiter.pausedUntil = 0
        for host in hosts.indices {
            hosts[host].pausedUntil = 0
            plan(.goOn(host: host), after: 0)
            plan(.start(host: host), after: random.milliseconds(0...1_000))
            planWrite(host)
        }
        plan(.startArbiter, after: random.milliseconds(0...1_000))
        plan(.look, after: second)
        watch = Watch(healedAt: time, lastAction: time, primarySeen: time)
    }

    mutating func look() {
        plan(.look, after: second)
        let obstacle = obstacleToBeingTogether
        note("look: \(obstacle ?? "together")")
        if hosts.contains(where: { $0.process?.replica.role == .primary }) {
            watch.primarySeen = time
        }
        guard let obstacle else { return isTogether() }
        watch.togetherSince = nil
        if time > watch.healedAt + Bounds.healingSpan {
            return fail(
                "not one cluster \(Bounds.healingSpan / second) s after healing: \(obstacle)")
        }
        if time > watch.lastAction + 3 * second { act() }
    }

    private mutating func isTogether() {
        let since = watch.togetherSince ?? time
        if watch.togetherSince == nil {
            statistics.healingSecondsMaximum = max(
                statistics.healingSecondsMaximum, Int((time - watch.healedAt) / second))
        }
        watch.togetherSince = since
        guard time >= since + 4 * second else { return }
        isQuiet = true
        let quietSince = watch.quietSince ?? time
        watch.quietSince = quietSince
        if let difference = differenceOfEnds {
            if time > quietSince + 20 * second { fail("the ends do not meet: \(difference)") }
            return
        }
        for host in hosts.indices { checkTable(of: host) }
        checkLosses()
        watch.isSettled = true
    }

    // MARK: What is still missing

    private var obstacleToBeingTogether: String? {
        guard let first = hosts[0].process?.replica, let second = hosts[1].process?.replica else {
            return "a process is down"
        }
        let replicas = [first, second]
        guard let primary = replicas.firstIndex(where: { $0.role == .primary }) else {
            return "no primary: \(replicas.map(describe))"
        }
        let standby = replicas[1 - primary]
        guard standby.role == .standby else { return "no standby: \(replicas.map(describe))" }
        guard replicas[primary].isWritable(at: now(primary).instant) else { return "no lease" }
        guard replicas.allSatisfy({ $0.storeProblem == nil && $0.repair == nil }) else {
            return "a store is not whole: \(replicas.map(describe))"
        }
        guard standby.replicationState == "streaming",
            replicas[primary].replicationState == "streaming"
        else { return "\(standby.replicationState), \(replicas[primary].replicationState)" }
        guard first.record == second.record else { return "the records differ" }
        if setting.hasArbiter, arbiter.durable.record != first.record {
            return "the arbiter has another record: \(brief(arbiter.durable.record))"
        }
        let isListed = Set(first.record.inSync) == Set(hosts.map(\.disk.identity))
        if setting.listsStandby, !isListed { return "not in sync: \(brief(first.record))" }
        return nil
    }

    private func describe(_ replica: Replica) -> String {
        [
            replica.role.rawValue, brief(replica.record), replica.storeProblem ?? "",
            replica.fence ?? "", replica.conflict ?? "", replica.repair.map { "\($0)" } ?? "",
        ].filter { !$0.isEmpty }.joined(separator: ", ")
    }

    private var differenceOfEnds: String? {
        guard let first = hosts[0].process, let second = hosts[1].process else {
            return "a process is down"
        }
        if hosts[0].disk.end != hosts[1].disk.end {
            return "log ends \(hosts[0].disk.end) and \(hosts[1].disk.end)"
        }
        let end = hosts[0].disk.end.sequence
        if first.replica.committed != end || second.replica.committed != end {
            return "committed \(first.replica.committed), \(second.replica.committed) of \(end)"
        }
        if first.table.applied != end || second.table.applied != end { return "applied" }
        return nil
    }

    // MARK: What the operator does

    private mutating func act() {
        for host in hosts.indices {
            guard let replica = hosts[host].process?.replica else { continue }
            if replica.fence != nil { return act(.liftFence, host) }
            if replica.pausedUntil > now(host).instant { return act(.resume, host) }
            if replica.storeProblem != nil {
                guard isRefused(.reseed, host) else { return act(.reseed, host) }
                watch.lastAction = time
                return crash(host, isPower: false)
            }
        }
        if hosts.contains(where: { $0.process?.replica.conflict != nil }) {
            let first = random.index(2)
            for host in [first, 1 - first] where !isRefused(.giveWay, host) {
                return act(.giveWay, host)
            }
        }
        if hosts.allSatisfy({ $0.process != nil && $0.disk.isVoid }) {
            return beginAgain()
        }
        if time > watch.primarySeen + 12 * second { promote() }
    }

    private func isRefused(_ command: OperatorCommand, _ host: Int) -> Bool {
        hosts[host].process?.replica.objection(to: command, at: now(host).instant) != nil
    }

    private mutating func act(_ command: OperatorCommand, _ host: Int) {
        watch.lastAction = time
        self.command(command, host)
    }

    /// Nobody takes the role by itself: an operator has to say who. Only a loss, or an earlier word
    /// of an operator, is a reason to be asked.
    private mutating func promote() {
        let ends = hosts.map { $0.disk.end }
        let longest = (ends[0].epoch, ends[0].sequence) >= (ends[1].epoch, ends[1].sequence) ? 0 : 1
        for host in [longest, 1 - longest] where !isRefused(.promote(acceptLoss: false), host) {
            return rescue(.promote(acceptLoss: false), host)
        }
        guard time > watch.primarySeen + 20 * second else { return }
        guard isLossPossible else { return fail("nobody takes the role, and nothing was lost") }
        for host in [longest, 1 - longest] where !isRefused(.promote(acceptLoss: true), host) {
            return rescue(.promote(acceptLoss: true), host)
        }
        guard time > watch.primarySeen + 40 * second else { return }
        for host in [longest, 1 - longest] where !isRefused(.runAlone, host) {
            return rescue(.runAlone, host)
        }
    }

    /// Both stores are empty: a kept one is put back, or the cluster begins as a new one.
    private mutating func beginAgain() {
        watch.lastAction = time
        for host in hosts.indices where !hosts[host].disk.isFresh {
            crash(host, isPower: false)
            let replacement = hosts[host].kept ?? freshDisk(of: host)
            note("operator at \(names.hosts[host]) replaces the store")
            excuseLosses(of: host, becoming: replacement)
            hosts[host].disk = replacement
            if hosts[host].kept != nil { return }
        }
        // An arbiter that knows of the old cluster would let no new one begin.
        crashArbiter(losingStore: true)
    }

    private mutating func rescue(_ command: OperatorCommand, _ host: Int) {
        count(\.rescues)
        act(command, host)
    }

    private var isLossPossible: Bool {
        let lost = statistics.storesLost + statistics.storesRestored + statistics.storesEmptied
        let isArbiterBehind =
            setting.hasArbiter
            && hosts.contains { $0.disk.record.isNewer(than: arbiter.durable.record) }
        return lost + statistics.arbiterStoresLost + statistics.overrides > 0
            || setting.failoverMode != .automatic || isArbiterBehind
    }
}
