internal import SanadCore

// Doing what the core asks for.

extension World {
    mutating func perform(_ effect: Effect, _ host: Int) {
        note(effect, host)
        switch effect {
        case .send(let message): transmit(message, from: host)
        case .ship(let frame): ship(frame, from: host)
        case .shipPage(let bytes): ship(page: bytes, from: host)
        case .ask(let question): ask(question, from: host)
        case .append(let frame): append(frame, host)
        case .persist(let record): persist(record, host)
        case .persistEpoch(let epoch): hosts[host].disk.epochAsked = epoch
        case .persistPause(let until, _): persist(pauseUntil: until, host)
        case .persistFence(let reason): hosts[host].disk.fence = reason
        case .persistConflict(let problem):
            if problem != nil {
                count(\.conflicts)
                if !ledger.hasOverride {
                    fail("\(names.hosts[host]) met a second primary that no operator made")
                }
            }
            hosts[host].disk.conflict = problem
        case .remember(let entry): hosts[host].disk.history.append(entry)
        case .forget(let sequence):
            hosts[host].disk.history.removeAll { $0.start.sequence > sequence }
        case .commit(let sequence): committed(sequence, by: host)
        case .readLog(let sequence, let bytes):
            let frames = hosts[host].disk.frames(
                after: sequence, bytes: min(bytes, setting.readBytes))
            answer(host, .logRead(frames))
        case .findBoundary(let sequence):
            settleAppends(host)
            let found = hosts[host].disk.boundary(at: sequence)
            answer(host, .boundary(found?.position, offset: found?.offset ?? 0))
        case .cutLog(let position): cutLog(after: position, host)
        case .closeLink:
            closeConnection(of: host)
            answer(host, .linkDown)
        case .emptyStore(let keepsOld, _): emptyStore(host, keepingOld: keepsOld)
        case .askVeto: askVeto(host)
        case .roleChanged(let role, let reason): roleChanged(role, reason, host)
        case .abandonWrites: hosts[host].process?.pending = []
        case .peerRefused, .report: break
        case .readNames, .readRecords, .replaceRecords, .openSnapshot, .readPage, .beginLoad,
            .loadPage, .finishLoad, .endRepair:
            performRepair(effect, host)
        }
    }

    /// What the disk answers at once; the core hears it when the present effects are done.
    mutating func answer(_ host: Int, _ input: Input) {
        hosts[host].process?.inputs.append(input)
    }

    // MARK: The link

    private mutating func transmit(_ message: Message, from host: Int) {
        guard let connection = hosts[host].process?.connection else { return }
        var message = message
        if random.once(in: 8) || Self.isCutByCodec(message) {
            // As the wire would bring it.
            let bytes = message.encoded()
            do {
                message = try bytes.withUnsafeBytes { try Message(decoding: $0) }
            } catch {
                fail("a message cannot be read back: \(error)")
            }
        }
        send(.message(message), toward: 1 - host, on: connection)
    }

    /// The codec leaves the reasons of reigns out.
    private static func isCutByCodec(_ message: Message) -> Bool {
        switch message {
        case .hello, .seeding: true
        default: false
        }
    }

    private mutating func ship(_ frame: Frame, from host: Int) {
        archive.add(frame)
        checkShipping(frame, from: host)
        guard let connection = hosts[host].process?.connection else { return }
        send(.frame(frame), toward: 1 - host, on: connection)
    }

    private mutating func ship(page bytes: [UInt8], from host: Int) {
        checkHandedOut(by: host)
        if bytes[0] == PagePacket.Purpose.snapshot.rawValue {
            hosts[host].process?.pagesOut += 1
            if hosts[host].process?.pagesOut ?? 0 > Limits.pagesInFlightMaximum {
                fail("\(names.hosts[host]) has more pages under way than the bound")
            }
        }
        guard let connection = hosts[host].process?.connection else { return }
        send(.page(bytes), toward: 1 - host, on: connection)
    }

    // MARK: The store

    private mutating func append(_ frame: Frame, _ host: Int) {
        let isNew = archive.add(frame)
        if isNew, let start = frame.epochStart, hosts[host].process?.replica.role == .primary {
            reignBegan(frame, start, host)
        }
        hosts[host].process?.appends.append(frame)
        requestSync(host)
    }

    private mutating func persist(_ record: ClusterRecord, _ host: Int) {
        let before = hosts[host].disk.record
        if before.isNewer(than: record) {
            fail(
                "\(names.hosts[host]) goes back from epoch \(before.epoch), version "
                    + "\(before.version) of the record")
        }
        if record.inSync.count < before.inSync.count, record.primary == before.primary {
            count(\.degrades)
        }
        if record.inSync.count == 2, before.inSync.count == 1, record.primary == before.primary {
            count(\.joins)
        }
        hosts[host].disk.record = record
    }

    /// A pause that is told again stands since it was told first.
    private mutating func persist(pauseUntil end: Instant, _ host: Int) {
        let present = hosts[host].disk.pause
        hosts[host].disk.pause = Disk.Pause(
            since: present.certainlyStands(at: time) ? present.since : time,
            until: time + end.since(now(host).instant).nanoseconds)
    }

    private mutating func cutLog(after position: Position, _ host: Int) {
        settleAppends(host)
        guard let applied = hosts[host].process?.table.applied else { return }
        if hosts[host].disk.base.sequence > position.sequence {
            return fail("\(names.hosts[host]) cuts into what retention removed")
        }
        checkCut(after: position, host)
        hosts[host].disk.cut(after: position, applied: applied)
        hosts[host].process?.taken = ([], .zero)
        let disk = hosts[host].disk
        if applied > position.sequence {
            hosts[host].process?.table.applied = position.sequence
            hosts[host].process?.table.offset = disk.endOffset
        }
        count(\.rejoins)
        answer(host, .logCut(offset: disk.endOffset, namesLeft: !disk.namesLeft.isEmpty))
    }

    /// The process ends and comes back on an empty store, which has to be seeded.
    private mutating func emptyStore(_ host: Int, keepingOld: Bool) {
        settleAppends(host)
        commitLoad(host)
        count(\.storesEmptied)
        var fresh = freshDisk(of: host)
        fresh.plan = .seed(Disk.Load())
        fresh.keepDecisions(of: hosts[host].disk)
        if keepingOld {
            fresh.quarantine = hosts[host].disk.quarantine
            fresh.quarantine.formUnion(archive.chain(upTo: hosts[host].disk.end.hash))
        } else {
            fresh.quarantine = hosts[host].disk.quarantine
        }
        hosts[host].process?.appends = []
        if keepingOld { hosts[host].kept = hosts[host].disk }
        hosts[host].disk = fresh
        crash(host, isPower: false)
    }

    mutating func freshDisk(of host: Int) -> Disk {
        let identity = StoreIdentity(
            node: names.nodes[host], store: Identifier.random(using: &random))
        return Disk(identity: identity, cluster: names.cluster)
    }

    // MARK: Others

    private mutating func askVeto(_ host: Int) {
        guard let process = hosts[host].process?.number else { return }
        let objects = !isHealed && random.once(in: 3)
        plan(
            .finished(
                host: host, process: process, .vetoAnswered(objects ? "not tonight" : nil)),
            after: random.milliseconds(1...800))
    }

    private mutating func roleChanged(_ role: Role, _ reason: String, _ host: Int) {
        note("\(names.hosts[host]) is \(role.rawValue): \(reason)")
        count(\.roleChanges)
        if role == .primary { checkPause(reason, host) }
        hosts[host].process?.role = role
        hosts[host].process?.reign = nil
        guard role == .primary else { return }
        planWrite(host)
    }
}
