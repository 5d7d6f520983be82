internal import SanadCore

/// Two hosts, an arbiter and the ways between them, in one thread, under one true time.
///
/// The core that decides is the production one. Everything around it is here: what takes time, what
/// gets lost, what comes twice, and what ends in the middle.
struct World {
    let names = Names()
    var setting: Setting
    var random: Generator
    /// Draws for what was added to the worlds later, so that the others stay as they were.
    var chance: Generator
    var timeline = Timeline()
    /// True time in nanoseconds.
    var time: UInt64 = 1_000_000_000
    var hosts: [Host] = []
    var arbiter: ArbiterHost
    var network = Network()
    var archive = Archive()
    var ledger = Ledger()
    var statistics = Statistics()
    let trace: Trace
    /// The faults are over: the cluster has to come together again.
    var isHealed = false
    /// Clients write no more, so that both ends can meet.
    var isQuiet = false
    var watch = Watch()
    /// The first rule that was broken; the world ends with it.
    var violation: String?
    var processes = 0
    var writes: UInt64 = 0

    var second: UInt64 { 1_000_000_000 }

    init(seed: UInt64, arbiter choice: ArbiterChoice, isTracing: Bool) {
        random = Generator(seed: seed)
        chance = Generator(seed: ~seed)
        setting = Setting(arbiter: choice, &random)
        trace = Trace(isOn: isTracing)
        arbiter = ArbiterHost(
            durable: Witness.Durable(record: .initial(cluster: names.cluster), committed: .zero),
            clock: HostClock(
                time: time, reading: 5_000_000_000, rate: HostClock.drawRate(&random)))
        for (index, name) in names.nodes.enumerated() {
            let store = StoreIdentity(node: name, store: Identifier(high: 1, low: UInt64(index)))
            let clock = HostClock(
                time: time, reading: 1_000_000_000 + random.milliseconds(0...900_000),
                rate: HostClock.drawRate(&random))
            hosts.append(
                Host(disk: Disk(identity: store, cluster: names.cluster), clock: clock))
        }
        note(setting.description)
    }

    mutating func plan(_ event: Event, after delay: UInt64) {
        timeline.plan(event, at: time + delay)
    }

    func now(_ host: Int) -> Now {
        Now(instant: hosts[host].clock.now(at: time), wallMilliseconds: time / 1_000_000)
    }

    // MARK: Running

    mutating func begin() {
        startArbiter()
        start(0)
        start(1)
        plan(.dial, after: 10_000_000)
        plan(.fault, after: random.milliseconds(0...8_000))
    }

    /// Runs until that true time, or until a rule is broken.
    mutating func run(until end: UInt64) {
        while violation == nil, !watch.isSettled, let (planned, event) = timeline.next() {
            guard planned <= end else {
                timeline.plan(event, at: planned)
                time = max(time, end)
                return
            }
            time = max(time, planned)
            count(\.events)
            if statistics.events > Bounds.eventsOfWorld { fail("the world does not come to rest") }
            happen(event)
        }
    }

    private mutating func happen(_ event: Event) {
        if let host = host(of: event), hosts[host].isPaused(at: time) {
            return timeline.plan(event, at: hosts[host].pausedUntil)
        }
        switch event {
        case .wake(let host, let process):
            guard isRunning(host, process), let due = hosts[host].process?.wakesAt, due <= time
            else { return }
            hosts[host].process?.wakesAt = .max
            feed(host, .tick)
        case .goOn(let host): drain(host)
        case .start(let host): start(host)
        case .synced(let host, let process):
            guard isRunning(host, process) else { return }
            hosts[host].process?.isSyncing = false
            settleAppends(host)
            drain(host)
        case .flushed(let host, let process):
            guard isRunning(host, process) else { return }
            flush(host)
        case .loadCommitted(let host, let process):
            if isRunning(host, process) { commitLoad(host) }
        case .finished(let host, let process, let input):
            if isRunning(host, process) { feed(host, input) }
        case .readTable(let host, let process, let job):
            if isRunning(host, process) { finishReading(job, host) }
        case .write(let host, let process):
            if isRunning(host, process) { write(at: host) }
        case .stopped(let host, let process):
            if isRunning(host, process) { crash(host, isPower: false) }
        case .dial: dial()
        case .arrive(let connection, let host): arrive(connection, at: host)
        case .question(let host, let process, let question): answer(question, of: host, process)
        case .reply(let host, let process, let answer): reply(answer, to: host, process)
        case .unanswered(let host, let process, let sent):
            guard isRunning(host, process) else { return }
            feed(host, .arbiterFailed(sent: sent, reason: "no answer"))
        case .startArbiter: startArbiter()
        case .fault: strike()
        case .look: look()
        }
    }

    /// The host whose standing still holds the event up.
    private func host(of event: Event) -> Int? {
        switch event {
        case .wake(let host, _), .goOn(let host), .start(let host), .synced(let host, _),
            .flushed(let host, _), .loadCommitted(let host, _), .finished(let host, _, _),
            .write(let host, _), .readTable(let host, _, _), .stopped(let host, _),
            .arrive(_, let host), .reply(let host, _, _), .unanswered(let host, _, _):
            host
        case .dial, .question, .startArbiter, .fault, .look: nil
        }
    }

    func isRunning(_ host: Int, _ process: Int) -> Bool { hosts[host].process?.number == process }

    // MARK: Processes

    mutating func start(_ host: Int) {
        guard hosts[host].process == nil else { return }
        processes += 1
        let disk = hosts[host].disk
        let replica = Replica(
            options: setting.options(host, disk.identity, names), recovered: disk.recovered,
            now: now(host))
        hosts[host].process = Process(number: processes, replica: replica, table: disk.table)
        note("\(names.hosts[host]) starts, log end \(disk.end), version \(disk.record.version)")
        checkTable(of: host)
        resumePause(of: host)
        feed(host, .tick)
    }

    private mutating func resumePause(of host: Int) {
        let until = hosts[host].disk.pause.until
        guard until > time else { return }
        let end = now(host).instant + Span(nanoseconds: until - time)
        feed(host, .command(.pause(until: end), reason: "a pause goes on"))
    }

    /// Ends the process in the middle of what it does. What was written and not synced may be on
    /// the disk or not, from the start of it; the record table is as it was written, or synced, last.
    mutating func crash(_ host: Int, isPower: Bool) {
        guard let process = hosts[host].process else { return }
        closeConnection(of: host, isSilent: isPower)
        if process.openLoad != nil { count(\.loadsTakenBack) }
        let kept = random.index(process.appends.count + 1)
        let survived = process.appends[..<kept]
        hosts[host].disk.frames.append(contentsOf: survived)
        hosts[host].process = nil
        hosts[host].pausedUntil = 0
        if isPower {
            hosts[host].clock.reboot(at: time)
            if random.flip() { hosts[host].disk.table = hosts[host].disk.synced }
        }
        note(
            "\(names.hosts[host]) \(isPower ? "loses power" : "crashes"), "
                + "\(kept) of \(process.appends.count) unsynced frames survive")
        let isShort = random.flip()
        plan(
            .start(host: host),
            after: random.milliseconds(isHealed ? 100...500 : isShort ? 100...1_500 : 100...15_000))
    }

    // MARK: Bookkeeping

    mutating func count(_ key: WritableKeyPath<Statistics, Int>, by number: Int = 1) {
        statistics[keyPath: key] += number
    }

    func note(_ text: @autoclosure () -> String) {
        guard trace.isOn else { return }
        trace.add(time, text())
    }

    mutating func fail(_ text: String) {
        guard violation == nil else { return }
        violation = text
        note("VIOLATION: \(text)")
    }
}
