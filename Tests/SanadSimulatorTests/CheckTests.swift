import Testing

@testable import SanadCore
@testable import SanadSimulator

/// A checker that cannot fail shows nothing: each is fed a violation that a hand has made.
@Suite("The simulator's checks notice")
struct CheckTests {
    private var world: World
    private let end: Frame

    init() throws {
        world = try World.settled()
        end = try #require(world.hosts[0].disk.frames.last)
    }

    private func expect(_ beginning: String, _ location: SourceLocation = #_sourceLocation) {
        let violation = world.violation ?? "nothing"
        #expect(violation.contains(beginning), sourceLocation: location)
    }

    @Test("nothing in a world that keeps the rules")
    mutating func quiet() {
        world.checkExclusive()
        for host in world.hosts.indices {
            world.checkTable(of: host)
            world.checkWindow(of: host)
        }
        world.checkLosses()
        #expect(world.violation == nil)
    }

    // MARK: At most one

    @Test("two primaries that may acknowledge at one moment")
    mutating func twoPrimaries() {
        let now = world.now(1).instant
        world.hosts[1].process?.replica.role = .primary
        world.checkExclusive()
        #expect(world.violation == nil, "a role without a lease is none")
        world.hosts[1].process?.replica.lease.arbiterGranted(sent: now, length: .seconds(3))
        world.checkExclusive()
        expect("both nodes may acknowledge")
    }

    @Test("a record that goes back")
    mutating func recordBackwards() {
        var older = world.hosts[0].disk.record
        older.version -= 1
        world.perform(.persist(older), 0)
        expect("R goes back from epoch")
    }

    @Test("a conflict that no operator has made")
    mutating func conflict() {
        world.perform(.persistConflict("two primaries"), 0)
        expect("R met a second primary that no operator made")
    }

    @Test("a promotion in spite of a pause; not one that was asked for before")
    mutating func pause() throws {
        let reason = "no heartbeat from rabat, grant expired"
        let start = world.time
        let epoch = try #require(world.hosts[1].process?.replica.record.epoch)
        let end = world.now(1).instant + .seconds(100)
        world.perform(.persistPause(until: end, reason: "test"), 1)
        world.time += 50 * world.second
        world.hosts[1].process?.roleAsked = (epoch, start)
        world.perform(.roleChanged(.primary, reason: reason), 1)
        #expect(world.violation == nil, "the arbiter's answer to an earlier question came late")
        world.hosts[1].process?.roleAsked = nil
        world.perform(.roleChanged(.primary, reason: "operator"), 1)
        #expect(world.violation == nil, "a pause does not hold an operator back")
        world.time += 49 * world.second
        world.perform(.roleChanged(.primary, reason: reason), 1)
        #expect(world.violation == nil, "by the fastest clock the pause is over")
        world.time -= 49 * world.second
        world.perform(.roleChanged(.primary, reason: reason), 1)
        expect("M promotes itself in spite of a pause")
    }

    // MARK: Nothing is lost

    @Test("a primary's word for records that do not have what was acknowledged before its reign")
    mutating func word() throws {
        let process = try #require(world.hosts[0].process)
        #expect(process.wordGiven == Epoch(1))
        process.replica.history[0].start.sequence = end.header.last.next
        process.replica.applied = end.header.last.next
        process.wordGiven = nil
        world.checkWord(of: 0)
        #expect(world.violation == nil)
        #expect(process.wordGiven == Epoch(1))
        process.wordGiven = nil
        process.table.applied = .zero
        process.replica.applied = .zero
        world.checkWord(of: 0)
        #expect(world.violation == nil, "no word was given")
        process.replica.applied = end.header.last.next
        world.checkWord(of: 0)
        expect("R gives the primary's word at 0, and \(end.position) was acknowledged")
    }

    /// Marrakech begins a reign after `previous`, or on an empty log, and commits its first frame.
    private mutating func reign(after previous: Frame?, reason: String = "test") {
        let start = EpochStart(node: world.names.nodes[1], reason: reason)
        let frame = FrameEncoder.epochStart(
            start, after: previous?.position ?? .origin, epoch: Epoch(99), committed: .zero,
            logOffset: previous?.header.logEnd ?? 0, wallMilliseconds: 0)
        let kept = world.hosts[1].disk.frames.filter {
            $0.header.last <= previous?.header.last ?? .zero
        }
        world.hosts[1].disk.frames = kept + [frame]
        world.archive.add(frame)
        world.hosts[1].process?.replica.role = .primary
        world.hosts[1].process?.replica.logEnd = frame.position
        let identity = world.hosts[1].disk.identity
        world.hosts[1].process?.replica.record.inSync = [identity]
        world.hosts[1].process?.role = .primary
        world.hosts[1].process?.reign = frame
        world.committed(frame.header.last, by: 1)
    }

    @Test("a reign with everything is none; one without a promised frame is")
    mutating func reignWithLoss() throws {
        reign(after: end)
        #expect(world.violation == nil)
        world = try World.settled()
        reign(after: world.hosts[1].disk.frames[world.hosts[1].disk.frames.count - 2])
        expect("M reigns in epoch 99 without \(end.position), which was promised on both sites")
    }

    @Test("a reign that lost what one site acknowledged, without anybody's consent")
    mutating func lossOfOneSite() {
        world.archive.change(end.hash) { $0.isProtected = false }
        reign(after: world.hosts[1].disk.frames[world.hosts[1].disk.frames.count - 2])
        expect("M took the role by itself and lost")
    }

    @Test("a switchover that loses what a promotion may lose")
    mutating func lossOfSwitchover() throws {
        for reason in ["no heartbeat from rabat", "switchover from rabat"] {
            world = try World.settled()
            world.setting.mode = .async
            world.setting.maxLoss = 8
            world.archive.change(end.hash) { $0.isProtected = false }
            reign(
                after: world.hosts[1].disk.frames[world.hosts[1].disk.frames.count - 2],
                reason: reason)
            #expect((world.violation != nil) == reason.hasPrefix("switchover"))
        }
        expect("M took the role by itself and lost")
    }

    @Test("at the end: a promised frame that no site has")
    mutating func promisedLost() {
        for host in world.hosts.indices { world.hosts[host].disk.frames.removeLast() }
        world.checkLosses()
        expect("was promised on both sites and is lost")
    }

    @Test("at the end: an acknowledged frame that is neither in the log nor in quarantine")
    mutating func goneInSilence() throws {
        let acknowledged = world.hosts[0].disk.frames.last {
            world.archive[$0.hash]?.isAcknowledged == true
        }
        #expect(acknowledged?.hash == end.hash)
        world.archive.change(end.hash) { $0.isProtected = false }
        for host in world.hosts.indices { world.hosts[host].disk.frames.removeLast() }
        world.hosts[1].disk.quarantine.insert(end.hash)
        world.checkLosses()
        #expect(world.violation == nil, "what is in quarantine is not gone")
        world = try World.settled()
        world.archive.change(end.hash) { $0.isProtected = false }
        for host in world.hosts.indices { world.hosts[host].disk.frames.removeLast() }
        world.checkLosses()
        expect("was acknowledged and is gone without a trace")
    }

    @Test("a cut of what both sites have")
    mutating func cut() {
        world.checkCut(after: end.position, 1)
        #expect(world.violation == nil)
        let before = world.hosts[1].disk.frames[world.hosts[1].disk.frames.count - 2]
        world.checkCut(after: before.position, 1)
        expect("M cuts off \(end.position), which both sites have")
    }

    // MARK: Commits

    @Test("a commit of what is not durable where it is made")
    mutating func commitBeforeDurable() {
        world.committed(end.header.last.next, by: 0)
        expect("R commits \(end.header.last.next) before it is durable there")
    }

    @Test("a commit in sync of what the standby's disk has not")
    mutating func commitBeforeStandby() {
        let frame = world.frame(after: end)
        world.hosts[0].disk.frames.append(frame)
        world.committed(frame.header.last, by: 0)
        expect("R commits \(frame.position) in sync, and the standby's disk has it not")
    }

    @Test("a commit beside what was committed before")
    mutating func commitBeside() {
        let fork = world.frame(after: world.hosts[0].disk.frames[1])
        world.hosts[0].disk.frames = Array(world.hosts[0].disk.frames[...1]) + [fork]
        world.committed(fork.header.last, by: 0)
        expect("R commits \(fork.position) beside another history")
    }

    @Test("a standby that shows what nobody has committed")
    mutating func shown() {
        let frame = world.frame(after: end)
        world.hosts[1].disk.frames.append(frame)
        world.committed(frame.header.last, by: 1)
        expect("M shows \(frame.position), which nobody committed")
    }

    @Test("an acknowledgement of what is not committed")
    mutating func acknowledged() {
        let frame = world.frame(after: end)
        let write = PendingWrite(last: frame.header.last, hash: frame.hash)
        world.acknowledged(write, by: 0, onBothSites: false)
        expect("R acknowledges \(frame.header.last), which is not committed")
    }

    // MARK: The record table

    @Test("a table that is not the replay of the log, and one that is beside it")
    mutating func table() throws {
        world.hosts[1].process?.table.rows = RecordTable()
        world.checkTable(of: 1)
        expect("M has a record table that is not the replay of its log")
        world = try World.settled()
        world.hosts[1].process?.table.applied = end.header.last.next
        world.checkTable(of: 1)
        expect("M has applied \(end.header.last.next), beside its log")
    }

    @Test("a reign over a store that lacks records which its log does not bring")
    mutating func reignDuringRepair() {
        var rejoin = Disk.Rejoin(base: end.header.last)
        world.hosts[1].disk.plan = .rejoin(rejoin)
        world.checkWholeness(of: 1, end)
        #expect(world.violation == nil)
        rejoin.readAt = end.header.last.next
        world.hosts[1].disk.plan = .rejoin(rejoin)
        world.checkWholeness(of: 1, end)
        expect("M begins epoch 1, and its store has not all records")
    }

    @Test("records handed out that are not those of one moment")
    mutating func handedOutDuringRepair() {
        var rejoin = Disk.Rejoin(base: end.header.last)
        world.hosts[0].disk.plan = .rejoin(rejoin)
        world.checkHandedOut(by: 0)
        #expect(world.violation == nil)
        rejoin.names = [1: false]
        world.hosts[0].disk.plan = .rejoin(rejoin)
        world.checkHandedOut(by: 0)
        expect("R hands out records while its store is being repaired")
    }

    @Test("rows that come without a repair's plan")
    mutating func planless() throws {
        world.perform(.replaceRecords([], readAt: .zero), 1)
        expect("M replaces records without a plan")
        world = try World.settled()
        world.perform(.loadPage([], readAt: .zero, epoch: .zero), 1)
        expect("M loads a page without a plan")
        world = try World.settled()
        world.perform(.beginLoad(base: .origin, offset: 0, history: []), 1)
        expect("M loads a snapshot over a log")
    }

    @Test("a crash takes back pages that were loaded, unless they were committed")
    mutating func loadedPages() throws {
        let page = world.hosts[0].disk.table.rows.page(after: nil, count: 2)
        var isCommitted = false
        repeat {
            var disk = world.freshDisk(of: 1)
            disk.plan = .seed(Disk.Load(base: .origin))
            world.hosts[1].disk = disk
            world.hosts[1].process?.table = disk.table
            world.perform(.loadPage(page.bytes, readAt: Sequence(1), epoch: Epoch(1)), 1)
            if isCommitted { world.commitLoad(1) }
            world.crash(1, isPower: false)
            guard case .seed(let load)? = world.hosts[1].disk.plan else {
                Issue.record("the plan is gone")
                return
            }
            let loaded = world.hosts[1].disk.table.rows
            #expect(load.cursor == (isCommitted ? page.last : nil))
            #expect(load.readIn == (isCommitted ? Epoch(1) : nil))
            #expect(loaded.page(after: nil, count: 9).last == load.cursor)
            world.start(1)
            isCommitted.toggle()
        } while isCommitted
        #expect(world.statistics.loadsTakenBack == 1)
        #expect(world.violation == nil)
    }

    @Test("a crash has fetched rows fetched again, unless they were synced")
    mutating func fetchedRows() throws {
        let all = Dictionary(uniqueKeysWithValues: (0..<8).map { ($0, false) })
        var disk = world.freshDisk(of: 1)
        disk.plan = .rejoin(Disk.Rejoin(names: all, base: .zero))
        world.hosts[1].disk = disk
        world.hosts[1].process?.table = disk.table
        func page(_ keys: Range<Int>) -> [UInt8] {
            RecordTable().rows(of: keys.compactMap(RecordTable.name))
        }
        world.perform(.replaceRecords(page(0..<4), readAt: Sequence(3)), 1)
        #expect(world.hosts[1].process?.taken.keys == Set(0..<4))
        #expect(world.hosts[1].disk.namesLeft == Array(0..<8))
        world.crash(1, isPower: false)
        world.start(1)
        #expect(world.hosts[1].process?.taken.keys == [])
        #expect(world.hosts[1].disk.namesLeft == Array(0..<8))
        world.perform(.replaceRecords(page(0..<6), readAt: Sequence(4)), 1)
        #expect(world.hosts[1].disk.namesLeft == [6, 7], "so many are synced")
        world.perform(.replaceRecords(page(6..<7), readAt: Sequence(5)), 1)
        #expect(world.hosts[1].disk.namesLeft == [6, 7])
        world.perform(.replaceRecords(page(7..<8), readAt: Sequence(5)), 1)
        #expect(world.hosts[1].disk.namesLeft.isEmpty, "the last ones are")
        guard case .rejoin(let plan)? = world.hosts[1].disk.plan else {
            Issue.record("the plan is gone")
            return
        }
        #expect(plan.consistentFrom == Sequence(5))
        #expect(world.violation == nil)
    }

    @Test("a power loss takes the table back to its last sync, and a crash does not")
    mutating func powerLoss() throws {
        let whole = world.hosts[1].disk
        var isTakenBack = false
        for _ in 0..<64 {
            for isPower in [false, true] {
                world.hosts[1].disk = whole
                world.hosts[1].disk.synced = Disk.Table()
                world.crash(1, isPower: isPower)
                let applied = world.hosts[1].disk.table.applied
                #expect(applied == whole.table.applied || (isPower && applied == .zero))
                isTakenBack = isTakenBack || applied == .zero
                world.start(1)
                #expect(world.violation == nil)
            }
        }
        #expect(isTakenBack)
        var disk = whole
        disk.synced = Disk.Table()
        disk.plan = .seed(
            Disk.Load(
                base: .origin, isLoaded: true, consistentFrom: end.header.last, readIn: Epoch(1)))
        var isComplete = disk.isRepairComplete
        #expect(!isComplete)
        disk.cut(after: end.position, applied: end.header.last)
        isComplete = disk.isRepairComplete
        #expect(isComplete, "a cut is durable, and so is all before it")
    }

    @Test("a crash takes the arbiter's mark back, by ten seconds at most, and never its record")
    mutating func mark() throws {
        let identity = world.hosts[0].disk.identity
        let before = world.arbiter.durable
        func renew(_ committed: UInt64, _ world: inout World) {
            let question = ArbiterRequest(
                cluster: world.names.cluster, identity: identity,
                sent: world.now(0).instant, wait: world.setting.timing.grantWait,
                kind: .renew(epoch: before.record.epoch, committed: Sequence(committed)))
            world.answer(question, of: 0, world.hosts[0].process?.number ?? 0)
        }
        let mark = before.committed.value
        world.arbiter.markStaleSince = nil
        renew(mark + 1_000, &world)
        #expect(world.arbiter.witness?.durable.committed.value == mark + 1_000)
        #expect(world.arbiter.durable == before)
        world.time += 9 * world.second
        renew(mark + 1_001, &world)
        #expect(world.arbiter.durable == before)
        world.time += world.second
        renew(mark + 1_002, &world)
        #expect(world.arbiter.durable.committed.value == mark + 1_002)
        renew(mark + 1_003, &world)
        world.crashArbiter(losingStore: false)
        world.startArbiter()
        #expect(world.arbiter.witness?.durable.committed.value == mark + 1_002)
        #expect(world.arbiter.witness?.durable.record == before.record)
    }

    // MARK: Bounds

    @Test("writes and frames beyond the window")
    mutating func window() throws {
        world.hosts[0].process?.replica.logEndOffset += 1 << 20
        world.checkWindow(of: 0)
        expect("R takes writes beyond its window")
        world = try World.settled()
        var far = end
        for _ in 0..<1_000 { far = world.frame(after: far) }
        world.checkShipping(far, from: 0)
        expect("R ships beyond its window")
    }

    @Test("pages under way beyond the bound, and a loop of questions to the arbiter")
    mutating func bounds() throws {
        let page = PagePacket(purpose: .snapshot, readAt: .zero, isLast: false, rows: [])
        for _ in 0..<Limits.pagesInFlightMaximum {
            world.perform(.shipPage(page.encoded()), 0)
        }
        #expect(world.violation == nil)
        world.perform(.shipPage(page.encoded()), 0)
        expect("R has more pages under way than the bound")
        world = try World.settled()
        let question = ArbiterRequest(
            cluster: world.names.cluster, identity: world.hosts[0].disk.identity, sent: .zero,
            wait: .seconds(3), kind: .read)
        for _ in 0...Bounds.questionsPerSecond { world.perform(.ask(question), 0) }
        expect("R asks the arbiter more than \(Bounds.questionsPerSecond) times a second")
    }

    @Test("a cluster that does not come together, and one that nobody leads without a reason")
    mutating func healing() throws {
        world.watch = Watch(healedAt: world.time)
        world.hosts[1].process = nil
        world.look()
        #expect(world.violation == nil)
        world.time += Bounds.healingSpan + 1
        world.look()
        expect("not one cluster 120 s after healing: a process is down")
        world = try World.settled()
        world.watch = Watch(healedAt: world.time, primarySeen: world.time)
        world.time += 21 * world.second
        for host in world.hosts.indices {
            world.hosts[host].process?.replica.role = .standby
            // No promise, so that an operator would be refused for the loss alone.
            world.hosts[host].process?.replica.fence = nil
            world.hosts[host].process?.replica.committedByPrimary = end.header.last.next
            world.hosts[host].process?.replica.grant.release()
        }
        world.look()
        expect("nobody takes the role, and nothing was lost")
    }
}
