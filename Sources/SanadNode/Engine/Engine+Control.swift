import Logging
import SanadCore
import SanadStore

/// A command whose outcome is not known yet: another site or the arbiter has a word in it.
struct WaitingCommand {
    var request: OperatorRequest
    var stake: [String]
    var deadline: Instant
    var reply: CheckedContinuation<ControlAnswer, Never>
}

// The operator's commands.

extension Engine {
    func answer(
        _ command: ControlCommand, _ reply: CheckedContinuation<ControlAnswer, Never>
    ) {
        switch command {
        case .carryOut(let request): carryOut(request, reply)
        case .sealSegment: reply.resume(returning: seal())
        case .reload:
            reply.resume(
                returning: ControlAnswer(done: true, message: "certificates are read again"))
        case .history: reply.resume(returning: history())
        case .quarantine: reply.resume(returning: quarantine())
        case .discardQuarantine(let number, let reason, let actor):
            reply.resume(returning: discardQuarantine(number, reason, actor))
        }
    }

    private func carryOut(
        _ request: OperatorRequest, _ reply: CheckedContinuation<ControlAnswer, Never>
    ) {
        let stake = Stake(replica: replica, options: options.replica).lines(for: request)
        let command = operatorCommand(request)
        if let objection = replica.objection(to: command, at: now.instant) {
            return reply.resume(
                returning: ControlAnswer(
                    done: false, message: "\(request.name): not done: \(objection)", lines: stake))
        }
        if request.dryRun {
            return reply.resume(
                returning: ControlAnswer(
                    done: true, message: "\(request.name): would be done", lines: stake))
        }
        guard audit(request, stake) else {
            return reply.resume(
                returning: ControlAnswer(
                    done: false,
                    message: "\(request.name): not done: the audit trail cannot be written",
                    lines: stake))
        }
        waiting.append(
            WaitingCommand(
                request: request, stake: stake, deadline: now.instant + Limits.commandTimeout,
                reply: reply))
        feed(.command(command, reason: "operator: \(request.reason)"))
        flushAppends()
        statusPublished = .zero
    }

    private func operatorCommand(_ request: OperatorRequest) -> OperatorCommand {
        switch request.action {
        case .promote(let acceptLoss): .promote(acceptLoss: acceptLoss)
        case .switchover: .switchover
        case .runAlone: .runAlone
        case .fence: .fence
        case .liftFence: .liftFence
        case .pause(let span): .pause(until: now.instant + span)
        case .resume: .resume
        case .rejoin: .giveWay
        case .reseed: .reseed
        }
    }

    // MARK: Outcomes

    /// Answers the commands whose outcome is known by now.
    func settleCommands() {
        guard !waiting.isEmpty else { return }
        var settled: [(WaitingCommand, ControlAnswer)] = []
        waiting.removeAll { command in
            guard let answer = outcome(of: command) else { return false }
            settled.append((command, answer))
            return true
        }
        guard !settled.isEmpty else { return }
        // Who reads the answer and then the status sees what the answer says.
        statusPublished = .zero
        publishStatus()
        for (command, answer) in settled {
            auditOutcome(of: command.request, answer)
            command.reply.resume(returning: answer)
        }
    }

    private func outcome(of command: WaitingCommand) -> ControlAnswer? {
        let name = command.request.name
        func done(_ message: String) -> ControlAnswer {
            ControlAnswer(done: true, message: message, lines: command.stake)
        }
        func failed(_ message: String) -> ControlAnswer {
            ControlAnswer(done: false, message: "\(name): \(message)", lines: command.stake)
        }
        if now.instant >= command.deadline {
            return failed(
                "no outcome within \(Limits.commandTimeout.wholeMilliseconds) ms; see the log")
        }
        switch command.request.action {
        case .promote, .runAlone:
            if replica.role == .primary {
                return done("this node is primary of epoch \(replica.record.epoch)")
            }
            return replica.isSeekingRole ? nil : failed("not done; see the log")
        case .switchover:
            if replica.record.primary == options.replica.peer {
                return done("\(options.replica.peer) is primary of epoch \(replica.record.epoch)")
            }
            guard !replica.isHandingOver, replica.role == .primary else { return nil }
            return failed("\(options.replica.peer) did not take over; this node is primary again")
        case .fence: return done("this node takes no primary role until the fence is lifted")
        case .liftFence: return done("this node may be primary again")
        case .pause(let span):
            return done(
                "no automatic promotion for \(span.wholeMilliseconds / 1_000) s"
                    + (replica.isLinked
                        ? "; \(options.replica.peer) was told"
                        : "; \(options.replica.peer) is not linked and was not told"))
        case .resume:
            return done(
                "automatic promotion is on again, as configured"
                    + (replica.isLinked
                        ? "; \(options.replica.peer) was told"
                        : "; \(options.replica.peer) is not linked and was not told: "
                            + "give the command there, too"))
        case .rejoin:
            return done(
                "this node gives way to \(options.replica.peer); what only this node has goes to "
                    + "quarantine")
        case .reseed: return done("this node starts anew, with an empty store")
        }
    }

    func refuseCommands(_ reason: String) {
        for command in waiting {
            let answer = ControlAnswer(done: false, message: reason)
            auditOutcome(of: command.request, answer)
            command.reply.resume(returning: answer)
        }
        waiting.removeAll()
    }

    // MARK: Pause

    /// A pause survives a restart; by the wall clock, since nothing else does.
    func persist(pauseUntil until: Instant, _ reason: String) throws(StoreError) {
        let left = until.since(now.instant)
        try store.nodeDatabase.setPause(
            left == .zero
                ? nil
                : FailoverPause(
                    untilWallMilliseconds: now.wallMilliseconds + left.wholeMilliseconds,
                    reason: reason))
    }

    /// What is left of a pause; a wall clock that was set back does not make it longer than any
    /// pause can be.
    func resumePause() throws(StoreError) {
        guard let pause = try store.nodeDatabase.pause(),
            pause.untilWallMilliseconds > now.wallMilliseconds
        else { return }
        let left = Span.milliseconds(pause.untilWallMilliseconds - now.wallMilliseconds)
        feed(
            .command(
                .pause(until: now.instant + min(left, Limits.pauseMaximum)), reason: pause.reason))
    }

    // MARK: Looking

    private func seal() -> ControlAnswer {
        do throws(StoreError) {
            try store.log.seal()
            return ControlAnswer(done: true, message: "sealed at \(store.log.end)")
        } catch {
            return ControlAnswer(done: false, message: "not sealed: \(error)")
        }
    }

    private func history() -> ControlAnswer {
        var lines = replica.history.map { entry in
            "epoch \(entry.epoch) \(entry.node) from sequence \(entry.start.sequence) "
                + "at \(WallTime.text(milliseconds: entry.wallMilliseconds)): \(entry.reason)"
                + (entry.isOverride ? " (operator's override)" : "")
        }
        do throws(StoreError) {
            let entries = try store.nodeDatabase.audit(limit: Limits.auditEntriesShown)
            lines += entries.map { entry in
                "audit \(entry.number) at \(WallTime.text(milliseconds: entry.wallMilliseconds)) "
                    + "by \(entry.actor): \(entry.action): \(entry.detail)"
            }
            if let oldest = entries.last, oldest.number > 1 {
                lines.append(
                    "audit: entries before \(oldest.number) are not shown; "
                        + "node.db keeps the last \(Limits.auditEntriesMaximum)")
            }
        } catch {
            return ControlAnswer(done: false, message: "history is not readable: \(error)")
        }
        return ControlAnswer(done: true, message: "epochs, oldest first", lines: lines)
    }

    private func quarantine() -> ControlAnswer {
        do throws(StoreError) {
            var lines = try store.nodeDatabase.quarantine().map { entry in
                "\(entry.number): \(entry.transactionCount) transactions, sequences "
                    + "\(entry.first)-\(entry.last), epochs \(entry.firstEpoch)-\(entry.lastEpoch), "
                    + "\(entry.bytes) bytes, at "
                    + "\(WallTime.text(milliseconds: entry.wallMilliseconds)), \(entry.reason), "
                    + "file \(entry.file)"
            }
            lines += try store.keptStores().map { "\($0.name): a store kept, \($0.bytes) bytes" }
            return ControlAnswer(
                done: true, message: lines.isEmpty ? "nothing is in quarantine" : "in quarantine",
                lines: lines)
        } catch {
            return ControlAnswer(done: false, message: "the list is not readable: \(error)")
        }
    }

    private func discardQuarantine(
        _ number: UInt64, _ reason: String, _ actor: String
    ) -> ControlAnswer {
        do throws(StoreError) {
            guard
                let entry = try store.nodeDatabase.quarantine().first(where: {
                    $0.number == number
                })
            else {
                return ControlAnswer(
                    done: false, message: "there is no quarantine entry \(number)")
            }
            try store.nodeDatabase.appendAudit(
                wallMilliseconds: now.wallMilliseconds, actor: actor,
                action: "discard-quarantine",
                detail: "epoch \(replica.record.epoch): \(entry.file), "
                    + "\(entry.transactionCount) transactions: \(reason)")
            try store.log.discardQuarantine(entry)
            quarantineEntries = try store.nodeDatabase.quarantine().count
            return ControlAnswer(
                done: true,
                message: "discarded \(entry.transactionCount) transactions of \(entry.file)")
        } catch {
            return ControlAnswer(done: false, message: "not discarded: \(error)")
        }
    }

    /// Written before the command is carried out: what is not in the trail does not happen.
    private func audit(_ request: OperatorRequest, _ stake: [String]) -> Bool {
        do throws(StoreError) {
            try store.nodeDatabase.appendAudit(
                wallMilliseconds: now.wallMilliseconds, actor: request.actor,
                action: request.name,
                detail: "epoch \(replica.record.epoch): \(request.reason)"
                    + (stake.isEmpty ? "" : " [\(stake.joined(separator: "; "))]"))
            return true
        } catch {
            log.error("the audit trail cannot be written", ["error": "\(error)"])
            return false
        }
    }

    /// How a command ended, as its caller is told; the command itself has its entry already.
    private func auditOutcome(of request: OperatorRequest, _ answer: ControlAnswer) {
        do throws(StoreError) {
            try store.nodeDatabase.appendAudit(
                wallMilliseconds: now.wallMilliseconds, actor: request.actor,
                action: "\(request.name) \(answer.done ? "done" : "not done")",
                detail: "epoch \(replica.record.epoch): \(answer.message)")
        } catch {
            log.error("the audit trail cannot be written", ["error": "\(error)"])
        }
    }
}
