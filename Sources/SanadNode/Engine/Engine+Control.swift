import Logging
import SanadCore
import SanadStore

// The operator's commands.

extension Engine {
    func answer(_ command: ControlCommand) -> ControlAnswer {
        switch command {
        case .promote(let acceptLoss, let reason, let dryRun):
            promote(acceptLoss: acceptLoss, reason: reason, dryRun: dryRun)
        case .sealSegment: seal()
        case .reload: ControlAnswer(done: true, message: "certificates are read again")
        case .history: history()
        }
    }

    private func promote(acceptLoss: Bool, reason: String, dryRun: Bool) -> ControlAnswer {
        let stake = whatPromotionRisks()
        if let objection = replica.objectionToPromotion(acceptLoss: acceptLoss, at: now.instant) {
            return ControlAnswer(done: false, message: "not promoted: \(objection)", lines: stake)
        }
        if dryRun { return ControlAnswer(done: true, message: "would be promoted", lines: stake) }
        audit("promote", acceptLoss ? "accept loss; \(reason)" : reason)
        feed(.promote(acceptLoss: acceptLoss, reason: "operator: \(reason)"))
        finishPromotion()
        guard replica.role == .primary else {
            return ControlAnswer(done: false, message: "not promoted; see the log", lines: stake)
        }
        return ControlAnswer(
            done: true, message: "this node is primary of epoch \(replica.record.epoch)",
            lines: stake)
    }

    /// The answer is given when the epoch's first frame is durable.
    private func finishPromotion() {
        flushAppends()
        statusPublished = .zero
    }

    private func whatPromotionRisks() -> [String] {
        var lines = [
            "this node's log ends at \(replica.logEnd), committed \(replica.committed)"
        ]
        if replica.isSafeToPromote {
            lines.append("it is in sync: no acknowledged write can be missing")
        } else if replica.record.primary == options.replica.identity.node {
            lines.append(
                "this node was primary itself: \(options.replica.peer) may have taken over since, "
                    + "and what it acknowledged is unknown here; two primaries are possible")
        } else if let marks = replica.primaryMarks {
            let missing =
                marks.logEnd.value
                - min(marks.logEnd.value, replica.logEnd.sequence.value)
            lines.append(
                "not in sync: at the primary's last heartbeat \(missing) transactions were "
                    + "missing here; what it wrote after that is unknown")
        } else {
            lines.append("not in sync, and what the primary wrote is unknown here")
        }
        return lines
    }

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
        }
        do throws(StoreError) {
            lines += try store.nodeDatabase.audit(limit: 100).map { entry in
                "audit at \(WallTime.text(milliseconds: entry.wallMilliseconds)): "
                    + "\(entry.actor), \(entry.action), \(entry.detail)"
            }
            lines += try store.nodeDatabase.quarantine().map { entry in
                "quarantine at \(WallTime.text(milliseconds: entry.wallMilliseconds)): "
                    + "sequences \(entry.first) to \(entry.last) in \(entry.file), "
                    + "\(entry.reason)"
            }
        } catch {
            return ControlAnswer(done: false, message: "history is not readable: \(error)")
        }
        return ControlAnswer(done: true, message: "epochs, oldest first", lines: lines)
    }

    private func audit(_ action: String, _ reason: String) {
        do throws(StoreError) {
            try store.nodeDatabase.appendAudit(
                wallMilliseconds: now.wallMilliseconds, actor: "operator", action: action,
                detail: "epoch \(replica.record.epoch): \(reason)")
        } catch {
            log.error("the audit trail cannot be written", ["error": "\(error)"])
        }
    }
}
