internal import SanadCore

// The store's side of a rejoin and of a snapshot.

extension World {
    mutating func performRepair(_ effect: Effect, _ host: Int) {
        guard let process = hosts[host].process else { return }
        let table = process.table
        switch effect {
        case .readNames(let limit):
            let names = hosts[host].disk.namesLeft.prefix(min(limit, 1 + random.index(4)))
            answer(host, .names(names.compactMap(RecordTable.name)))
        case .readRecords(let names):
            answer(host, .recordsRead(table.rows.rows(of: names), readAt: table.applied))
        case .replaceRecords(let rows, let readAt): replace(rows, readAt, host)
        case .openSnapshot:
            guard let base = hosts[host].disk.boundary(at: table.applied) else { return }
            count(\.snapshots)
            answer(host, .snapshotOpened(base: base.position, offset: base.offset))
        case .readPage(let name):
            let page = table.rows.page(after: name, count: setting.pageRows)
            answer(
                host,
                .pageRead(
                    page.bytes, last: page.last, readAt: table.applied, isLast: page.isLast))
        case .beginLoad(let base, let offset, let history):
            beginLoad(base, offset, history, host)
        case .loadPage(let rows, let readAt): load(rows, readAt, host)
        case .finishLoad(let from):
            guard case .seed(let base, let cursor, _, _)? = hosts[host].disk.plan else { return }
            hosts[host].disk.plan = .seed(
                base: base, cursor: cursor, isLoaded: true, consistentFrom: from)
        case .endRepair:
            // The table is written before its plan is forgotten.
            hosts[host].disk.table = table
            hosts[host].disk.plan = nil
            count(\.repairs)
            checkTable(of: host)
        default: break
        }
    }

    private mutating func replace(_ rows: [UInt8], _ readAt: Sequence, _ host: Int) {
        guard case .rejoin(let names, let from)? = hosts[host].disk.plan else {
            return fail("\(names.hosts[host]) replaces records without a plan")
        }
        let replaced = hosts[host].disk.replace(rows, readAt: readAt)
        guard var table = hosts[host].process?.table else { return }
        hosts[host].disk.plan = .rejoin(
            names: names.filter { !replaced.contains($0) },
            consistentFrom: max(from, readAt, table.applied))
        _ = table.rows.replace(rows)
        if table.applied > readAt { table.applied = readAt }
        hosts[host].process?.table = table
        count(\.recordsFetched, by: replaced.count)
        answer(host, .recordsReplaced)
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
        hosts[host].process?.table = table
        hosts[host].disk.plan = .seed(
            base: base, cursor: nil, isLoaded: false, consistentFrom: .zero)
        count(\.seeds)
    }

    /// A page becomes durable, with the name it ends at, and is confirmed a moment later.
    private mutating func load(_ rows: [UInt8], _ readAt: Sequence, _ host: Int) {
        guard case .seed(let base, let cursor, _, let from)? = hosts[host].disk.plan,
            let process = hosts[host].process?.number
        else { return fail("\(names.hosts[host]) loads a page without a plan") }
        let replaced = hosts[host].disk.table.rows.replace(rows)
        _ = hosts[host].process?.table.rows.replace(rows)
        let last = replaced.last.map(RecordTable.cursor)
        hosts[host].disk.plan = .seed(
            base: base, cursor: last ?? cursor, isLoaded: false, consistentFrom: max(from, readAt))
        plan(
            .finished(host: host, process: process, .pageLoaded),
            after: random.milliseconds(0...20))
    }
}
