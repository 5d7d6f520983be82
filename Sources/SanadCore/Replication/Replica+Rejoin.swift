// A store that has to give something up, or take everything anew, before it follows.

extension Replica {
    // MARK: The cut

    /// What lies beyond the fork goes to quarantine, also when the record table has it.
    mutating func cutOff(after bound: Position, _ effects: inout [Effect]) {
        let count = logEnd.sequence.value - bound.sequence.value
        let words =
            applied > bound.sequence
            ? "acknowledged by this site alone, if at all" : "never acknowledged by both sites"
        if count > 0 {
            report(
                .warning, "moving \(count) transactions after \(bound), \(words), to quarantine",
                &effects)
        }
        effects.append(.cutLog(after: bound))
        boundaryQuestion = .fork(bound)
    }

    /// Rows were fetched as they were beyond the common history, and perhaps from a history that the
    /// primary has lost since: a cut, even of nothing, has them fetched again.
    func hasRowsOfOtherReign(_ lead: Lead) -> Bool {
        guard case .rejoin(_, let from) = repair else { return false }
        return from > lead.bound.sequence && rowsEpoch != lead.epoch
    }

    mutating func didCut(_ offset: UInt64, _ namesLeft: Bool, _ effects: inout [Effect]) {
        guard case .fork(let bound) = boundaryQuestion else { return }
        boundaryQuestion = nil
        logEnd = bound
        durable = bound
        logEndOffset = offset
        durableOffset = offset
        if namesLeft || applied > bound.sequence {
            // The table goes back to the fork, and the log is replayed over what is fetched.
            let known = repair.flatMap { repair -> Sequence? in
                if case .rejoin(_, let from) = repair { from } else { nil }
            }
            let from = min(known ?? bound.sequence, bound.sequence)
            repair = .rejoin(namesLeft: namesLeft, consistentFrom: from)
        }
        applied = min(applied, bound.sequence)
        appliedOffset = min(appliedOffset, offset)
        committed = min(committed, bound.sequence)
        committedByPrimary = min(committedByPrimary, bound.sequence)
        history.removeAll { $0.start.sequence > bound.sequence }
        effects.append(.forget(after: bound.sequence))
        prepareToFollow(&effects)
    }

    /// Names that the tail had changed are fetched before the log goes on.
    mutating func prepareToFollow(_ effects: inout [Effect]) {
        // What is asked for, and what follows, tell the primary that everything before is durable.
        isResumeDue = durable != logEnd
        guard !isResumeDue else { return }
        if case .rejoin(true, _) = repair {
            effects.append(.readNames(limit: Limits.fetchNamesMaximum))
        } else {
            followFromHere(&effects)
        }
    }

    // MARK: Steps of a repair

    mutating func stepRepair(_ input: Input, _ effects: inout [Effect]) {
        switch input {
        case .names(let names): fetch(names, &effects)
        case .recordsRead(session, let rows, let readAt):
            guard role == .primary, isLinked else { return }
            let packet = PagePacket(purpose: .rows, readAt: readAt, isLast: true, rows: rows)
            effects.append(.shipPage(packet.encoded()))
        case .recordsReplaced: prepareToFollow(&effects)
        case .snapshotOpened(session, let base, let offset):
            beginSeeding(base, offset, cursor: nil, &effects)
        case .pageRead(session, let rows, let last, let readAt, let isLast):
            didRead(rows, last: last, readAt: readAt, isLast: isLast, &effects)
        case .pageLoaded(let cursor): didLoad(cursor, &effects)
        // What was asked for on an earlier link.
        case .recordsRead, .snapshotOpened, .pageRead: break
        default: preconditionFailure("only the steps of a repair come here")
        }
    }

    private mutating func fetch(_ names: [RecordName], _ effects: inout [Effect]) {
        guard case .rejoin(_, let from) = repair, role == .standby, isLinked else { return }
        guard names.isEmpty else {
            effects.append(.send(.fetch(names)))
            return
        }
        repair = .rejoin(namesLeft: false, consistentFrom: from)
        prepareToFollow(&effects)
        finishRepair(&effects)
    }

    mutating func take(page bytes: [UInt8], _ effects: inout [Effect]) {
        let packet: PagePacket
        do throws(MessageError) {
            packet = try PagePacket(decoding: bytes)
        } catch {
            return drop("a page of records cannot be read: \(error)", &effects)
        }
        switch (packet.purpose, repair) {
        case (.rows, .rejoin(true, let from)?):
            repair = .rejoin(namesLeft: true, consistentFrom: max(from, packet.readAt))
            rowsEpoch = record.epoch
            effects.append(.replaceRecords(packet.rows, readAt: packet.readAt))
        case (.snapshot, .seed)
        where pagesLoading - pagesOfOldLink >= Limits.pagesInFlightMaximum:
            drop("more pages than may be under way", &effects)
        case (.snapshot, .seed(let base?, let cursor, false, let from)?):
            repair = .seed(
                base: base, cursor: cursor, isLoaded: packet.isLast,
                consistentFrom: max(from, packet.readAt))
            pagesLoading += 1
            effects.append(
                .loadPage(packet.rows, readAt: packet.readAt, epoch: rowsEpoch ?? record.epoch))
        default: drop("a page of records that nobody asked for", &effects)
        }
    }

    /// The table is the state of one position again, and may be served and promoted.
    mutating func finishRepair(_ effects: inout [Effect]) {
        switch repair {
        case .rejoin(false, let from)? where applied >= from: break
        case .seed(_, _, true, let from)? where applied >= from: break
        default: return
        }
        repair = nil
        effects.append(.endRepair)
        report(.notice, "the store is whole again at \(applied)", &effects)
        if role == .primary { answerHeldRequest(&effects) }
    }

    // MARK: Seeding, the standby's side

    /// The primary's log no longer reaches back to the fork.
    mutating func losePlace(_ lead: Lead, _ effects: inout [Effect]) {
        let words =
            "the primary's log begins after \(lead.logBegin), and the common history ends at "
            + "\(lead.bound.sequence)"
        // Only what the primary has as well is given up without an operator's word.
        guard lead.bound == logEnd, record.inSync != [options.identity] else {
            return diverge("\(words); this log has more", &effects)
        }
        report(.warning, "\(words): taking a snapshot", &effects)
        effects.append(.emptyStore(keepingOld: false, reason: words))
    }

    /// All pages are there, and the log has to continue them.
    mutating func goOnSeeded(_ lead: Lead, _ effects: inout [Effect]) {
        let isContinued = lead.bound == logEnd && lead.bound.sequence >= lead.logBegin
        guard !isContinued else { return askForSeed(&effects) }
        beginAnew("the primary's log does not continue the snapshot that was taken", lead, &effects)
    }

    mutating func beginAnew(_ words: String, _ lead: Lead, _ effects: inout [Effect]) {
        report(.warning, "\(words): beginning anew", &effects)
        // What this log has and the primary's has not is kept for people.
        effects.append(.emptyStore(keepingOld: lead.bound != logEnd, reason: words))
    }

    /// Pages were read further on than their reign reached when the next one began: the primary came
    /// back with an older copy of its store, and an operator accepted the loss.
    func hasRowsOfLostReign(_ lead: Lead, by peer: Hello) -> Bool {
        guard case .seed(_, _, _, let from) = repair, from > lead.bound.sequence else {
            return false
        }
        let known = rowsEpoch ?? .zero
        guard known != lead.epoch else { return false }
        guard let next = peer.history.firstIndex(where: { $0.epoch > known }) else {
            // The new reign has begun since the peer greeted, where its log ended.
            return peer.logEnd.sequence < from
        }
        // A greeting that does not reach back far enough says nothing.
        let isCut = next == 0 && peer.history.count == Limits.historyEntriesMaximum
        return isCut || peer.history[next].begins.sequence < from
    }

    mutating func askForSeed(_ effects: inout [Effect]) {
        guard case .seed(let base, let cursor, let isLoaded, _) = repair else { return }
        guard pagesLoading == 0 else {
            return drop("pages of the last connection are still being written", &effects)
        }
        if isLoaded { return prepareToFollow(&effects) }
        effects.append(.send(.seed(SeedRequest(base: base, cursor: cursor))))
    }

    mutating func beSeeded(_ seeding: Seeding, _ effects: inout [Effect]) {
        guard role == .standby, case .seed(let base, let cursor, false, let from) = repair else {
            return drop("a snapshot that nobody asked for", &effects)
        }
        if base == seeding.base { return }
        guard base == nil, cursor == nil else {
            let words = "the primary can no longer go on with the snapshot that was begun"
            report(.warning, "\(words): beginning anew", &effects)
            effects.append(.emptyStore(keepingOld: false, reason: words))
            return
        }
        repair = .seed(
            base: seeding.base, cursor: nil, isLoaded: false, consistentFrom: from)
        logEnd = seeding.base
        durable = seeding.base
        logBegin = seeding.base.sequence
        logEndOffset = seeding.offset
        durableOffset = seeding.offset
        applied = seeding.base.sequence
        appliedOffset = seeding.offset
        committed = seeding.base.sequence
        history = seeding.history
        effects.append(
            .beginLoad(base: seeding.base, offset: seeding.offset, history: seeding.history))
    }

    private mutating func didLoad(_ cursor: [UInt8]?, _ effects: inout [Effect]) {
        guard case .seed(let base, _, let isLoaded, let from) = repair, pagesLoading > 0 else {
            return
        }
        pagesLoading -= 1
        // Where the next link goes on.
        repair = .seed(base: base, cursor: cursor, isLoaded: isLoaded, consistentFrom: from)
        let isOfThisLink = pagesOfOldLink == 0
        if isOfThisLink {
            effects.append(.send(.pageTaken))
        } else {
            pagesOfOldLink -= 1
        }
        guard isLoaded, pagesLoading == 0 else { return }
        effects.append(.finishLoad(consistentFrom: from))
        if isOfThisLink { prepareToFollow(&effects) }
        finishRepair(&effects)
    }

    // MARK: Seeding, the primary's side

    /// What the peer asked of this node's records is over.
    mutating func forgetQuestions() {
        seeding = nil
        heldRequest = nil
    }

    mutating func handOut(_ names: [RecordName], _ effects: inout [Effect]) {
        guard repair == nil else {
            heldRequest = .rows(names)
            return
        }
        effects.append(.readRecords(session: session, names))
    }

    mutating func seed(_ request: SeedRequest, _ effects: inout [Effect]) {
        guard role == .primary, shipper.state == .probing else {
            return drop("the peer asked for a snapshot without being led", &effects)
        }
        guard repair == nil else {
            heldRequest = .seed(request)
            return
        }
        if let base = request.base, base.sequence >= logBegin {
            boundaryQuestion = .seed(request)
            effects.append(.findBoundary(base.sequence))
        } else {
            effects.append(.openSnapshot(session: session))
        }
    }

    /// The records of a primary that was promoted before its own repair ended are those of one
    /// moment as soon as its log is committed.
    private mutating func answerHeldRequest(_ effects: inout [Effect]) {
        guard let request = heldRequest else { return }
        heldRequest = nil
        switch request {
        case .rows(let names): handOut(names, &effects)
        case .seed(let request): seed(request, &effects)
        }
    }

    mutating func beginSeeding(
        _ base: Position, _ offset: UInt64, cursor: [UInt8]?, _ effects: inout [Effect]
    ) {
        guard role == .primary, isLinked else { return }
        // Rows go out that are younger than what this log was when it greeted.
        isGreetingStale = true
        seeding = SeedSession(base: base, last: cursor)
        let reigns = history.filter { $0.start.sequence <= base.sequence }
        effects.append(
            .send(.seeding(Seeding(base: base, offset: offset, history: reigns))))
        report(.notice, "\(options.peer) takes a snapshot from \(base)", &effects)
    }

    /// Hands out pages as far as the bound of those under way allows.
    mutating func pumpPages(_ effects: inout [Effect]) {
        guard let session = seeding, !session.isReading, !session.isDone,
            session.pagesInFlight < Limits.pagesInFlightMaximum
        else { return }
        seeding?.isReading = true
        effects.append(.readPage(session: self.session, after: session.last))
    }

    private mutating func didRead(
        _ rows: [UInt8], last: [UInt8]?, readAt: Sequence, isLast: Bool,
        _ effects: inout [Effect]
    ) {
        guard var session = seeding, session.isReading else { return }
        session.isReading = false
        session.isDone = isLast
        session.last = last ?? session.last
        session.pagesInFlight += 1
        seeding = session
        let packet = PagePacket(
            purpose: .snapshot, readAt: readAt, isLast: isLast, rows: rows)
        effects.append(.shipPage(packet.encoded()))
    }

    mutating func pageTaken(_ effects: inout [Effect]) {
        guard let session = seeding, session.pagesInFlight > 0 else {
            return drop("a page was taken that was never sent", &effects)
        }
        seeding?.pagesInFlight -= 1
        if session.isDone, session.pagesInFlight == 1 { seeding = nil }
    }
}
