// The planned change of roles: drain, give up, hand over; and back when the other does not take it.

extension Replica {
    mutating func advanceHandOver(_ now: Now, _ effects: inout [Effect]) {
        guard let phase = handOver else { return }
        switch phase {
        case .draining(let until):
            if role != .primary {
                handOver = nil
            } else if isDrained {
                giveUpRole(now, &effects)
            } else if now.instant >= until {
                handOver = nil
                report(
                    .warning,
                    "switchover given up: \(options.peer) did not confirm everything within "
                        + "\(Limits.drainTimeout.wholeMilliseconds) ms; this node stays primary",
                    &effects)
            }
        case .releasing(let since, let words):
            if now.instant >= since + Limits.releaseTimeout { tell(words, now, &effects) }
        case .waiting(let until):
            if role != .unconfirmed || record.primary != options.identity.node {
                handOver = nil
            } else if now.instant >= until {
                takeBack("it did not take the role in time", &effects)
            }
        }
    }

    var handOverDeadline: Instant {
        switch handOver {
        case nil: .never
        case .draining(let until), .waiting(let until): until
        case .releasing(let since, _): since + Limits.releaseTimeout
        }
    }

    /// Everything is acknowledged: what is applied was answered before this node hears of it.
    private var isDrained: Bool {
        applied == logEnd.sequence && shipper.progress?.durable == logEnd.sequence
            && change == nil && proposal == nil
    }

    private mutating func giveUpRole(_ now: Now, _ effects: inout [Effect]) {
        let words = HandOver(epoch: record.epoch, position: logEnd)
        effects.append(.send(.commit(committed)))
        stepDown("handing over to \(options.peer)", &effects)
        guard options.hasArbiter else { return tell(words, now, &effects) }
        handOver = .releasing(since: now.instant, words)
        ask(.release(epoch: words.epoch), now, &effects)
    }

    /// The arbiter holds no lease any more.
    mutating func settleRelease(
        _ answer: ArbiterAnswer, _ now: Now, _ effects: inout [Effect]
    ) {
        guard case .releasing(let since, let words)? = handOver, answer.echo >= since,
            answer.view.remaining == .zero
        else { return }
        tell(words, now, &effects)
    }

    private mutating func tell(_ words: HandOver, _ now: Now, _ effects: inout [Effect]) {
        effects.append(.send(.handOver(words)))
        handOver = .waiting(until: now.instant + Limits.handOverTimeout)
    }

    mutating func handOverRefused(_ reason: String, _ effects: inout [Effect]) {
        guard case .waiting? = handOver else { return }
        takeBack(reason, &effects)
    }

    /// Who the record still names asks for the role again; compare-and-set, or the standby, decides.
    private mutating func takeBack(_ reason: String, _ effects: inout [Effect]) {
        handOver = nil
        report(
            .warning, "\(options.peer) does not take the role: \(reason); this node asks for it",
            &effects)
    }

    // MARK: The side that takes over

    mutating func beHandedOver(
        _ words: HandOver, by peer: Hello, _ now: Now, _ effects: inout [Effect]
    ) {
        if let refusal = refusal(of: words, by: peer) {
            effects.append(.send(.handOverRefused(refusal)))
            return
        }
        learnCommitted(words.position.sequence, &effects)
        // The primary's own word that it acknowledges no more is worth more than the grant's end.
        grant.release()
        begin(
            Bid(
                phase: .veto, reason: "switchover from \(peer.identity.node)", isAutomatic: false,
                until: now.instant + Limits.commandTimeout,
                keepsPeer: options.listsStandby ? peer.identity : nil), now, &effects)
    }

    private func refusal(of words: HandOver, by peer: Hello) -> String? {
        guard role == .standby, record.primary == peer.identity.node, record.epoch == words.epoch
        else { return "this node does not follow epoch \(words.epoch)" }
        guard isSound else {
            return storeProblem ?? fence ?? conflict ?? "this node's store is being repaired"
        }
        guard record.isInSync(options.identity) else { return "this node is not in sync" }
        guard durable == words.position, logEnd == words.position else {
            return "this node's log ends at \(durable), not at \(words.position)"
        }
        return nil
    }
}
