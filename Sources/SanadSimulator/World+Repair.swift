internal import SanadCore

// The store's side of a rejoin and of a snapshot.

/// What a thread beside the process reads from the record table, one after the other.
enum SnapshotJob {
    case open(session: UInt64)
    case page(session: UInt64, after: [UInt8]?)
    case rows(session: UInt64, [RecordName])
}

extension World {
    /// Fetched rows that share a sync.
    private static let takenMaximum = 6

    mutating func performRepair(_ effect: Effect, _ host: Int) {
        switch effect {
        case .readNames(let limit):
            let taken = hosts[host].process?.taken.keys ?? []
            let left = hosts[host].disk.namesLeft.filter { !taken.contains($0) }
            let names = left.prefix(min(limit, 1 + random.index(4)))
            answer(host, .names(names.compactMap(RecordTable.name)))
        case .readRecords(let session, let names):
            readTable(.rows(session: session, names), host)
        case .replaceRecords(let rows, let readAt): replace(rows, readAt, host)
        case .openSnapshot(let session): readTable(.open(session: session), host)
        case .readPage(let session, let name):
            readTable(.page(session: session, after: name), host)
        case .beginLoad(let base, let offset, let history):
            beginLoad(base, offset, history, host)
        case .loadPage(let rows, let readAt, let epoch): load(rows, readAt, epoch, host)
        case .finishLoad(let from):
            commitLoad(host)
            guard case .seed(var load)? = hosts[host].disk.plan else { return }
            load.isLoaded = true
            load.consistentFrom = from
            hosts[host].disk.plan = .seed(load)
        case .endRepair:
            // The plan is forgotten when the table is on disk.
            count(\.repairs)
            hosts[host].process?.isRepairEnding = true
            checkTable(of: host)
            requestFlush(host, after: random.milliseconds(0...100))
        default: break
        }
    }

    // MARK: Reading for the standby

    private mutating func readTable(_ job: SnapshotJob, _ host: Int) {
        guard let process = hosts[host].process else { return }
        let isSlow = !isHealed && random.once(in: 20)
        let begins = max(time, process.snapshotsBusyUntil)
        let ends = begins + (isSlow ? random.milliseconds(1...2_000) : random.number(1...9_000_000))
        hosts[host].process?.snapshotsBusyUntil = ends
        timeline.plan(.readTable(host: host, process: process.number, job), at: ends)
    }

    mutating func finishReading(_ job: SnapshotJob, _ host: Int) {
        switch job {
        case .open(let session):
            flush(host)
            let applied = hosts[host].disk.table.applied
            guard let base = hosts[host].disk.boundary(at: applied) else { return }
            count(\.snapshots)
            feed(
                host,
                .snapshotOpened(session: session, base: base.position, offset: base.offset))
        case .page(let session, let name):
            let table = hosts[host].disk.table
            let page = table.rows.page(after: name, count: setting.pageRows)
            feed(
                host,
                .pageRead(
                    session: session, page.bytes, last: page.last, readAt: table.applied,
                    isLast: page.isLast))
        case .rows(let session, let names):
            flush(host)
            let table = hosts[host].disk.table
            feed(
                host,
                .recordsRead(
                    session: session, table.rows.rows(of: names), readAt: table.applied))
        }
    }

    // MARK: Taking

    private mutating func replace(_ rows: [UInt8], _ readAt: Sequence, _ host: Int) {
        guard case .rejoin(var plan)? = hosts[host].disk.plan, let process = hosts[host].process
        else { return fail("\(names.hosts[host]) replaces records without a plan") }
        defer { answer(host, .recordsReplaced) }
        guard readAt >= process.table.applied else { return count(\.staleRows) }
        let replaced = hosts[host].disk.table.rows.replace(rows)
        _ = process.table.rows.replace(rows)
        process.taken.keys.formUnion(replaced)
        process.taken.readAt = max(process.taken.readAt, readAt)
        count(\.recordsFetched, by: replaced.count)
        let isLast = plan.left.allSatisfy(process.taken.keys.contains)
        guard isLast || process.taken.keys.count >= Self.takenMaximum else { return }
        hosts[host].disk.synced = hosts[host].disk.table
        plan.finish(Array(process.taken.keys), readAt: process.taken.readAt)
        hosts[host].disk.plan = .rejoin(plan)
        process.taken = ([], .zero)
    }

    private mutating func beginLoad(
        _ base: Position, _ offset: UInt64, _ history: [EpochEntry], _ host: Int
    ) {
        if !hosts[host].disk.frames.isEmpty {
            fail("\(names.hosts[host]) loads a snapshot over a log")
        }
        hosts[host].disk.base = base
        hosts[host].disk.baseOffset = offset
        hosts[host].disk.history = history
        hosts[host].disk.table = Disk.Table(
            rows: RecordTable(), applied: base.sequence, offset: offset)
        let table = hosts[host].disk.table
        hosts[host].disk.synced = table
        hosts[host].process?.table = table
        hosts[host].disk.plan = .seed(Disk.Load(base: base))
        count(\.seeds)
    }

    /// A page is confirmed a moment later, and becomes durable, with the name it ends at, before
    /// that or after it.
    private mutating func load(
        _ rows: [UInt8], _ readAt: Sequence, _ epoch: Epoch, _ host: Int
    ) {
        guard case .seed(let durable)? = hosts[host].disk.plan, let process = hosts[host].process
        else { return fail("\(names.hosts[host]) loads a page without a plan") }
        guard readAt >= process.table.applied else {
            // A power loss took the primary's table back behind the snapshot's base.
            count(\.staleRows)
            return crash(host, isPower: false)
        }
        var load = process.openLoad ?? durable
        let replaced = process.table.rows.replace(rows)
        if let cursor = load.cursor, let first = replaced.first.map(RecordTable.cursor),
            !cursor.lexicographicallyPrecedes(first)
        {
            fail("\(names.hosts[host]) loads a page that does not follow the last one")
        }
        load.cursor = replaced.last.map(RecordTable.cursor) ?? load.cursor
        load.consistentFrom = max(load.consistentFrom, readAt)
        load.readIn = epoch
        if process.openLoad == nil {
            plan(
                .loadCommitted(host: host, process: process.number),
                after: random.milliseconds(0...200))
        }
        process.openLoad = load
        process.pageConfirmedAt = max(time + random.milliseconds(0...20), process.pageConfirmedAt)
        timeline.plan(
            .finished(host: host, process: process.number, .pageLoaded(cursor: load.cursor)),
            at: process.pageConfirmedAt)
    }

    /// What was loaded becomes durable.
    mutating func commitLoad(_ host: Int) {
        guard let process = hosts[host].process, let load = process.openLoad else { return }
        process.openLoad = nil
        hosts[host].disk.table = process.table
        hosts[host].disk.synced = process.table
        hosts[host].disk.plan = .seed(load)
    }
}
