internal import SanadCore

/// The witness's host: what is durable there, and the process, if it runs.
struct ArbiterHost {
    var durable: Witness.Durable
    /// Since when the committed mark on the disk is behind, in true time.
    var markStaleSince: UInt64?
    var clock: HostClock
    var witness: Witness?
    var pausedUntil: UInt64 = 0
}

extension World {
    mutating func startArbiter() {
        guard setting.hasArbiter, arbiter.witness == nil else { return }
        arbiter.witness = Witness(
            durable: arbiter.durable, members: Set(names.nodes), now: arbiter.clock.now(at: time),
            wait: setting.timing.grantWait)
        note("arbiter starts with version \(arbiter.durable.record.version)")
    }

    mutating func crashArbiter(losingStore: Bool) {
        guard setting.hasArbiter else { return }
        arbiter.witness = nil
        arbiter.markStaleSince = nil
        if losingStore {
            arbiter.durable = Witness.Durable(
                record: .initial(cluster: names.cluster), committed: .zero)
            count(\.arbiterStoresLost)
        }
        note("arbiter crashes\(losingStore ? " and loses its store" : "")")
        plan(.startArbiter, after: random.milliseconds(100...6_000))
    }

    // MARK: Questions

    /// A question on its way: it may be lost, come twice, or come late.
    mutating func ask(_ question: ArbiterRequest, from host: Int) {
        guard let process = hosts[host].process?.number else { return }
        countQuestion(of: host)
        noteAskedRole(question, host)
        if !isHealed, random.once(in: 30) {
            plan(.unanswered(host: host, process: process, sent: question.sent), after: second)
            return
        }
        let copies = !isHealed && random.once(in: 12) ? 2 : 1
        for _ in 0..<copies {
            var delay = network.delay(at: time, &random)
            if !isHealed, random.once(in: 40) { delay += random.milliseconds(0...9_000) }
            plan(.question(host: host, process: process, question), after: delay)
        }
    }

    mutating func answer(_ question: ArbiterRequest, of host: Int, _ process: Int) {
        if network.isBlocked(.toArbiter(from: host), at: time) { return }
        if time < arbiter.pausedUntil {
            timeline.plan(
                .question(host: host, process: process, question), at: arbiter.pausedUntil)
            return
        }
        guard arbiter.witness != nil,
            let result = arbiter.witness?.answer(
                question, from: names.nodes[host], now: arbiter.clock.now(at: time))
        else { return }
        note("arbiter: \(brief(question)) of \(names.hosts[host]): \(brief(result.answer))")
        if saveArbiter() {
            if !isHealed, random.once(in: 300) { return crashArbiter(losingStore: false) }
        }
        var delay = network.delay(at: time, &random)
        if !isHealed, random.once(in: 40) { delay += random.milliseconds(0...5_000) }
        plan(.reply(host: host, process: process, result.answer), after: delay)
    }

    mutating func reply(_ answer: ArbiterAnswer, to host: Int, _ process: Int) {
        guard hosts[host].process?.number == process,
            !network.isBlocked(.fromArbiter(to: host), at: time)
        else { return }
        note("\(names.hosts[host]) hears the arbiter: \(brief(answer))")
        feed(host, .arbiter(answer))
    }

    /// The record is durable before the answer; the mark follows within ten seconds, and a crash
    /// takes it back.
    ///
    /// - Returns: whether the answer waited for it.
    private mutating func saveArbiter() -> Bool {
        guard let present = arbiter.witness?.durable, present != arbiter.durable else {
            return false
        }
        let mustSave = present.record != arbiter.durable.record
        let staleSince = arbiter.markStaleSince ?? time
        arbiter.markStaleSince = staleSince
        // The mark is the guard against an older copy that is put back. A crash that takes the mark
        // back as well is a second fault against the same guard, and nobody promises anything then.
        let isGuard = setting.knows(.restoreStore)
        if mustSave || isGuard || time >= staleSince + Limits.witnessMarkInterval.nanoseconds {
            arbiter.durable = present
            arbiter.markStaleSince = nil
        }
        return mustSave
    }

    private func noteAskedRole(_ question: ArbiterRequest, _ host: Int) {
        guard case .change(_, let record, _) = question.kind, let process = hosts[host].process,
            process.roleAsked?.epoch != record.epoch
        else { return }
        process.roleAsked = (record.epoch, time)
    }

    /// A node asks often enough, and not more: a loop of questions is a defect.
    private mutating func countQuestion(of host: Int) {
        let now = time / second
        guard let last = hosts[host].process?.questions else { return }
        let count = last.second == now ? last.count + 1 : 1
        hosts[host].process?.questions = (now, count)
        if count > Bounds.questionsPerSecond {
            fail("\(names.hosts[host]) asks the arbiter more than \(count - 1) times a second")
        }
    }
}
