import Logging
import SanadCore
import SanadStore

// A store that gives something up or takes everything anew; and the log that is no longer needed.

extension Engine {
    /// What the store says of itself when the engine starts.
    static func recover(
        _ store: Store, _ reader: LogReader, cluster: Identifier
    ) throws(StoreError) -> (state: RecoveredState, appliedOffset: UInt64) {
        let database = store.nodeDatabase
        let applied = store.table.applied
        let appliedOffset = try offset(after: applied, store, reader)
        let begin = Sequence(store.log.first.value - 1)
        let state = RecoveredState(
            record: try database.clusterRecord() ?? .initial(cluster: cluster),
            history: try database.history(), logEnd: store.log.end,
            logEndOffset: store.log.endOffset, logBegin: begin,
            committed: max(applied, store.log.knownCommitted), applied: applied,
            repair: try repair(store), rowsEpoch: try rowsEpoch(store),
            fence: try database.fence(), conflict: try database.conflict(),
            epochAsked: try database.epochAsked(),
            standbyMark: try database.standbyMark())
        return (state, appliedOffset)
    }

    /// Bytes of the log up to and with `sequence`.
    private static func offset(
        after sequence: Sequence, _ store: Store, _ reader: LogReader
    ) throws(StoreError) -> UInt64 {
        guard sequence < store.log.end.sequence else { return store.log.endOffset }
        let next = try reader.read(after: sequence, maximumBytes: 1).first
        return next?.header.logOffset ?? store.log.endOffset
    }

    /// The reign in which the last page of a snapshot was read; nil when none was taken.
    private static func rowsEpoch(_ store: Store) throws(StoreError) -> Epoch? {
        guard try store.nodeDatabase.repairPlan()?.kind == .reseed,
            let progress = try store.loadProgress(), progress.readIn > .zero
        else { return nil }
        return progress.readIn
    }

    private static func repair(_ store: Store) throws(StoreError) -> StoreRepair? {
        guard let plan = try store.nodeDatabase.repairPlan() else { return nil }
        let from = plan.consistentFrom ?? plan.base?.sequence ?? .zero
        switch plan.kind {
        case .rejoin:
            let names = try store.nodeDatabase.repairNamesLeft()
            return .rejoin(namesLeft: names > 0, consistentFrom: from)
        case .reseed:
            let progress = try store.loadProgress()
            return .seed(
                base: plan.base, cursor: progress?.cursor, isLoaded: plan.phase == .catchUp,
                consistentFrom: max(from, progress?.readAt ?? .zero))
        }
    }

    func performRepair(_ effect: Effect) throws(StoreError) {
        switch effect {
        case .readNames(let limit):
            followUps.append(.names(try store.nodeDatabase.repairNames(limit: limit)))
        case .readRecords(let session, let names): snapshots.readRows(names, session: session)
        case .replaceRecords(let rows, _): try replaceRecords(rows)
        case .openSnapshot(let session): snapshots.open(session: session)
        case .readPage(let session, let name):
            snapshots.readPage(after: name, session: session)
        case .beginLoad(let base, let offset, let history):
            try store.beginLoad(base: base, offset: offset, history: history)
            applier.restart(at: base.sequence, offset: offset)
        case .loadPage(let rows, _, let epoch): loadPage(rows, readIn: epoch)
        case .finishLoad:
            try store.finishLoad()
            loadProgress = try store.loadProgress()
        case .endRepair:
            isRepairEnding = true
            store.table.requestFlush()
        case .emptyStore(let keepsOld, let reason): try emptyStore(keepsOld, reason)
        default: preconditionFailure("only effects of a repair come here")
        }
    }

    // MARK: The cut

    func cut(after position: Position) throws(StoreError) {
        flushAppends()
        let entry = try store.log.cut(
            after: position, reason: "cut off by a failover",
            wallMilliseconds: now.wallMilliseconds, repairsTable: true)
        let applied = store.table.applied
        applier.restart(at: applied, offset: try Self.offset(after: applied, store, reader))
        quarantineEntries = try store.nodeDatabase.quarantine().count
        if let entry {
            log.warning(
                "moved the log's tail to quarantine",
                ["log.position": "\(position)", "quarantine": "\(entry)"])
        }
        let names = try store.nodeDatabase.repairNamesLeft()
        followUps.append(.logCut(offset: store.log.endOffset, namesLeft: names > 0))
    }

    // MARK: Rows from the primary

    private func replaceRecords(_ rows: [UInt8]) throws(StoreError) {
        let page: RecordPage
        do throws(RecordPageError) {
            page = try RecordPage(decoding: rows)
        } catch {
            return dropLink(reason: Self.damaged(error))
        }
        do throws(StoreError) {
            try store.repair(with: page)
            followUps.append(.recordsReplaced)
        } catch  where error.code == .staleRows {
            // The primary's table had not come as far as this one's; the same names again.
            log.notice("the primary's rows were too old; asking again")
            followUps.append(.recordsReplaced)
        } catch  where error.code == .unexpectedRows {
            dropLink(reason: "the peer answers for other records than it was asked for: \(error)")
        }
    }

    /// The page is checked here, in half a millisecond, and not by the loader: that has the most to
    /// do of all who carry a page. The replica counts on an answer to each page, which a damaged one
    /// will not have: only a start goes on behind what was loaded.
    private func loadPage(_ rows: [UInt8], readIn epoch: Epoch) {
        do throws(RecordPageError) {
            loader.load(try RecordPage(decoding: rows), readIn: epoch)
        } catch {
            startAnew(Self.damaged(error))
        }
    }

    private static func damaged(_ error: RecordPageError) -> String {
        "a page of records from the peer is damaged: \(error)"
    }

    func pageLoaded(_ answer: LoadAnswer) {
        // A node that is to start anew loads no further.
        guard restartReason == nil, fatalProblem == nil else { return }
        switch answer {
        case .loaded(let progress): feed(.pageLoaded(cursor: progress.cursor))
        // Nothing is lost: what was loaded stays, and a start goes on behind it. On the link that
        // stands the pages behind this one are under way, and no longer follow.
        case .unusable(let reason): startAnew(reason)
        case .failure(let error) where Self.isForOperator(error):
            storeDamaged(error)
            dropLink(reason: "the store needs an operator")
        case .failure(let error): fatalProblem = String(describing: error)
        }
    }

    /// The plan ends when a power loss can no longer take the table back before it.
    func endRepairIfDurable() {
        guard isRepairEnding else { return }
        do throws(StoreError) {
            isRepairEnding = try !store.endRepairIfComplete()
        } catch {
            fatalProblem = String(describing: error)
        }
    }

    // MARK: Rows for the standby

    func snapshotRead(_ answer: SnapshotAnswer, session: UInt64) {
        switch answer {
        case .page(let page):
            feed(
                .pageRead(
                    session: session, page.bytes, last: page.lastName,
                    readAt: page.position.sequence, isLast: page.isLast))
        case .rows(let page):
            feed(
                .recordsRead(session: session, page.bytes, readAt: page.position.sequence))
        case .base(let base): snapshotOpened(session, base)
        // What could not be read for a link that has ended means nothing to the one that stands.
        case .failure(let error): if session == replica.session { snapshotFailed(error) }
        }
    }

    private func snapshotOpened(_ session: UInt64, _ base: Position) {
        do throws(StoreError) {
            let offset = try Self.offset(after: base.sequence, store, reader)
            feed(.snapshotOpened(session: session, base: base, offset: offset))
        } catch {
            snapshotFailed(error)
        }
    }

    private func snapshotFailed(_ error: StoreError) {
        guard error.code == .corrupt else {
            log.error("the record table cannot be read for the peer", ["error": "\(error)"])
            return dropLink(reason: "the record table cannot be read for the peer: \(error)")
        }
        storeDamaged(error)
    }

    // MARK: Damage

    func startScrubbing() {
        let (mailbox, log) = (mailbox, log)
        do throws(StoreError) {
            try scrubber.start { error in
                if error.code == .corrupt { return mailbox.post(.storeDamaged(error)) }
                log.error("old log cannot be verified", ["error": "\(error)"])
            }
        } catch {
            log.error("old log is not verified", ["error": "\(error)"])
        }
    }

    /// What any reader met: the same damage is met again and again, and is said once.
    func storeDamaged(_ error: StoreError) {
        guard replica.storeProblem == nil else { return }
        feed(.storeFailed(String(describing: error)))
        statusPublished = .zero
    }

    // MARK: A new store

    private func emptyStore(_ keepsOld: Bool, _ reason: String) throws(StoreError) {
        try store.planReseed(
            keepOld: keepsOld, reason: reason, wallMilliseconds: now.wallMilliseconds)
        startAnew("an empty store: \(reason)")
    }

    private func startAnew(_ reason: String) {
        restartReason = reason
        dropLink(reason: "this node starts anew: \(reason)", redial: false)
    }

    // MARK: Retention

    /// Removes what nobody needs any more, and what goes beyond the bounds.
    func retainLog() {
        guard now.instant >= retentionDue else { return }
        retentionDue = now.instant + Limits.retentionInterval
        do throws(StoreError) {
            try removeSegments()
            // Afterwards, since on a full disk this is what has no room.
            try rememberStandby()
        } catch  where error.code == .corrupt {
            storeDamaged(error)
        } catch {
            log.error("old log cannot be removed", ["error": "\(error)"])
        }
    }

    /// So that a restart keeps the log that the standby needs, and knows what could be lost.
    private func rememberStandby() throws(StoreError) {
        guard replica.role == .primary, let mark = replica.standbyMark, mark != standbyRemembered
        else { return }
        try store.nodeDatabase.setStandbyMark(mark)
        standbyRemembered = mark
    }

    private func removeSegments() throws(StoreError) {
        let segments = try store.log.segments()
        let free = try store.freeBytes()
        let durable = store.table.durablePosition
        let needs = replica.neededFrom?.next
        let decision = options.retention.decide(
            segments: segments, standbyNeeds: needs, tableDurable: durable.sequence,
            nowWallMilliseconds: now.wallMilliseconds, freeBytes: free)
        bytesUntilLost = needs.map {
            options.retention.bytesUntilLost(
                segments: segments, standbyNeeds: $0, freeBytes: free)
        }
        guard decision.keepFrom > store.log.first else { return }
        let removed = try store.log.removeSegments(before: decision.keepFrom, durable: durable)
        guard removed.files > 0 else { return }
        log.notice(
            "removed old log",
            [
                "files": "\(removed.files)", "bytes": "\(removed.bytes)",
                "from": "\(store.log.first)",
            ])
        if decision.isStandbyLeftBehind {
            log.warning("\(options.replica.peer) is left behind: it has to take a snapshot")
        }
        feed(.logTrimmed(Sequence(store.log.first.value - 1)))
    }
}
