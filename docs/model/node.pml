/* A data node: every rule is one step. */

/* ---- Guards. ---- */

#ifdef BUG_candidate_grants
#define grants(n)  (role[n] != ACTING)
#else
#define grants(n)  (role[n] == STANDBY)
#endif

#ifdef BUG_own_grant_not_awaited
#define grantIsOver(n)  true
#else
#define grantIsOver(n)  (!promise[n])
#endif

#ifdef BUG_promotion_ignores_in_sync
#define namedInSync(n, r)  true
#else
#define namedInSync(n, r)  (inSync(r) & only(n))
#endif

/* The arbiter's record is not older than the node's own. Comparing versions alone is not enough: README.md, "Holes". */
#ifdef BUG_versions_alone_compared
#define notBehind(n)  (version(arbiterRecord) >= version(record[n]))
#else
#define notBehind(n)  (version(arbiterRecord) >= version(record[n]) && epoch(arbiterRecord) >= epoch(record[n]))
#endif

#ifdef BUG_epoch_not_raised
#define retakeEpoch(n, r)  larger(epoch(record[n]), epoch(r))
#else
#define retakeEpoch(n, r)  newerEpoch(n, r)
#endif

#ifdef BUG_degrade_before_record
#define aloneInSync(n)  (inSync(record[n]) == only(n) || askKind[n] == DEGRADE)
#else
#define aloneInSync(n)  (inSync(record[n]) == only(n))
#endif

/* The newer of the two records says who is in sync. */
#define baseRecord(n)  either(version(record[n]) > version(arbiterRecord), record[n], arbiterRecord)

/* An arbiter that lost its store is filled only by a primary that holds a lease: nobody can have taken its role. */
#ifdef BUG_empty_arbiter_filled_on_own_word
#define mayPush(n)  true
#else
#define mayPush(n)  (arbiterRecord != NO_RECORD || standbyLease[n] || arbiterLease[n])
#endif

/* The linked nodes tell each other the highest epoch they know. */
#define confirmEpoch(n)  (1 + larger(highestEpoch[n], highestEpoch[peer(n)]))

/* The operator may take the role from an arbiter that lost its store when what it gave before has ended: the node waits
 * a whole promise out from when it sees that the arbiter knows less than itself. */
#ifdef BUG_forgetful_arbiter_not_awaited
#define mayTakeFromEmpty(n)  (arbiterRecord == NO_RECORD && primary(record[n]) == peer(n))
#else
#define mayTakeFromEmpty(n)  (arbiterRecord == NO_RECORD && primary(record[n]) == peer(n) && !arbiterPromise)
#endif

#define idle(n)  (askKind[n] == NOTHING)

/* The answer of the arbiter, or of the peer, to the request this node waits for. */
inline receiveAnswer(n) {
    if
    :: answer[n] <= ACCEPTED_STALE && (askKind[n] == TAKE || askKind[n] == CONFIRM) ->
        takeRole(n, askRecord[n], askKind[n] == TAKE && answer[n] == ACCEPTED);
        forgetRequest(n)
    :: answer[n] <= ACCEPTED_STALE && askKind[n] != TAKE && askKind[n] != CONFIRM ->
        persist(n, askRecord[n]);
        if :: ARBITER && answer[n] == ACCEPTED -> arbiterLease[n] = 1 :: else fi;
        if :: askKind[n] == JOIN -> joining[n] = NOT_JOINING :: else fi;
        forgetRequest(n)
    :: answer[n] == REFUSED_FOR_GOOD ->
        /* The refusal shows a higher version: a primary steps down in the same step, a join does not merely end. */
        forgetRequest(n);
#ifdef BUG_refused_join_merely_ends
        joining[n] = NOT_JOINING
#else
        stepDown(n)
#endif
    :: answer[n] == REFUSED ->
#ifdef BUG_join_ends_on_any_refusal
        if :: askKind[n] == JOIN -> joining[n] = NOT_JOINING :: else fi;
#endif
        if :: role[n] == CANDIDATE -> role[n] = STANDBY :: else fi;
        abandonRequest(n)
    fi
}

/* The node stops waiting; a candidate goes back to granting; a join whose outcome is unknown stays one. */
inline giveUp(n) {
#ifdef BUG_join_ends_on_unknown_outcome
    if :: askKind[n] == JOIN -> joining[n] = NOT_JOINING :: else fi;
#endif
    if :: role[n] == CANDIDATE -> role[n] = STANDBY :: else fi;
    abandonRequest(n)
}

/* Node n's proposal comes to its peer, which makes it durable before it answers. */
#ifdef BUG_candidate_confirms
#define listens(n)  (role[n] != ACTING)
#else
#define listens(n)  (role[n] == STANDBY)
#endif
/* Refused too if this node's log is the longer one: it holds something that the proposer lacks. */
#define length(l)  (((l) & 1) + (((l) >> 1) & 1) + (((l) >> 2) & 1))
#define wouldAdopt(n, r)  (listens(n) && version(r) > version(record[n]) && newEnough(n, r) && \
                           length(log[n]) <= length(log[peer(n)]))
/* A new reign is confirmed only for an epoch above every one this node saw or asked for: README.md, "Holes". A proposal
 * of the present reign (degrade and join without an arbiter) keeps its epoch. */
#ifdef BUG_confirms_epoch_it_asked_for
#define newEnough(n, r)  (epoch(r) >= epoch(record[n]))
#else
#define newEnough(n, r)  (epoch(r) > highestEpoch[n] || \
                           (epoch(r) == epoch(record[n]) && primary(r) == primary(record[n])))
#endif

inline adoptProposal(n, r) {
#ifndef BUG_candidate_confirms
    abandonRequest(n);
#endif
    persist(n, r)
}

inline serveProposal(n) {
    if
    :: wouldAdopt(peer(n), askRecord[n]) -> adoptProposal(peer(n), askRecord[n]); answer[n] = ACCEPTED
    :: !wouldAdopt(peer(n), askRecord[n]) && record[peer(n)] == askRecord[n] && listens(peer(n)) -> answer[n] = ACCEPTED
    :: else -> answer[n] = (version(record[peer(n)]) >= version(askRecord[n]) -> REFUSED_FOR_GOOD : REFUSED)
    fi
}

inline serveLateProposal(n) {
    if
    :: wouldAdopt(peer(n), lateRecord[n]) -> adoptProposal(peer(n), lateRecord[n])
    :: else
    fi;
    forgetLate(n)
}

/* All but the record and the log is forgotten. The last grant is not known: it is waited out. */
inline restart(n) {
    stepDown(n);
    confirmed[n] = 0;
#ifdef BUG_restarted_standby_does_not_wait
    promise[n] = 0;
#else
#ifdef BUG_restarted_primary_does_not_wait
    promise[n] = (primary(record[n]) != n);
#else
    promise[n] = 1;
#endif
#endif
#ifdef BUG_resume_without_confirmation
    if
    :: primary(record[n]) == n -> role[n] = ACTING
    :: else
    fi
#endif
}

#ifdef SWITCHOVER
/* The standby takes its grant for released and asks at once; if the message does not fit any more, nothing happens. */
inline receiveHandOver(n) {
    if
    :: role[n] == STANDBY && idle(n) && epoch(record[n]) == handOverEpoch[peer(n)] && primary(record[n]) == peer(n) &&
       (inSync(record[n]) & only(n)) && log[n] == handOverLog[peer(n)] &&
#if ARBITER
       primary(arbiterRecord) == peer(n) && (inSync(arbiterRecord) & only(n)) && notBehind(n) &&
       room(newerVersion(n, arbiterRecord), newerEpoch(n, arbiterRecord)) ->
        promise[n] = 0;
        role[n] = CANDIDATE;
        ask(n, TAKE, version(arbiterRecord),
            recordOf(newerVersion(n, arbiterRecord), newerEpoch(n, arbiterRecord), n, BOTH))
#else
       room(version(record[n]) + 1, newerEpoch(n, record[n])) ->
        promise[n] = 0;
        takeRole(n, recordOf(version(record[n]) + 1, newerEpoch(n, record[n]), n, BOTH), 0)
#endif
    :: else
    fi;
    handOverEpoch[peer(n)] = 0;
    handOverLog[peer(n)] = 0
}
#endif

proctype node(byte n) {
    end: do
    /* ---- Writes and frames. ---- */
    :: d_step { role[n] == ACTING && writes < MAX_WRITES -> log[n] = log[n] | (1 << writes); writes++ }
    /* The standby first cuts off what lies beyond the fork (into quarantine), then appends one frame at a time. */
    :: d_step { follows(n) && difference(n) ->
        if
        :: log[n] != common(n) -> log[n] = common(n)
        :: else -> log[n] = log[n] | nextMissing(n)
        fi }
    :: d_step { mayAcknowledge(n) && (log[n] & log[peer(n)] & ~bothSites) -> bothSites = bothSites | (log[n] & log[peer(n)]) }
    :: d_step { mayAcknowledge(n) && aloneInSync(n) && joining[n] == NOT_JOINING && (log[n] & ~acknowledged) ->
        oneSite = oneSite | log[n] }

    /* ---- Leases. ---- */
    /* The standby answers a heartbeat of the primary it knows. */
    :: d_step { grants(n) && follows(n) && !(promise[n] && standbyLease[peer(n)]) ->
        promise[n] = 1; standbyLease[peer(n)] = 1 }
#if ARBITER
    :: d_step { role[n] == ACTING && primary(arbiterRecord) == n && epoch(arbiterRecord) == epoch(record[n]) &&
                !(arbiterPromise && arbiterLease[n]) ->
        arbiterPromise = 1; arbiterLease[n] = 1 }
#endif

    /* ---- What a primary asks for. Without an arbiter these are proposals to the standby. ---- */
    :: d_step { role[n] == ACTING && idle(n) && inSync(record[n]) == BOTH && version(record[n]) < MAX_VERSION ->
        ask(n, DEGRADE, version(record[n]), recordOf(version(record[n]) + 1, epoch(record[n]), n, only(n))) }
    :: d_step { role[n] == ACTING && inSync(record[n]) == only(n) && joining[n] == NOT_JOINING -> joining[n] = PREPARING }
    :: d_step { joining[n] == PREPARING -> joining[n] = NOT_JOINING }
    :: d_step { joining[n] != NOT_JOINING && idle(n) && version(record[n]) < MAX_VERSION &&
                follows(peer(n)) && (acknowledged & ~log[peer(n)]) == 0 ->
        joining[n] = ASKED;
        ask(n, JOIN, version(record[n]), recordOf(version(record[n]) + 1, epoch(record[n]), n, BOTH)) }
#if ARBITER
    :: d_step { role[n] == ACTING && idle(n) && version(arbiterRecord) < version(record[n]) && mayPush(n) ->
        ask(n, PUSH, version(arbiterRecord), record[n]) }
#endif
    :: d_step { answer[n] != UNANSWERED -> receiveAnswer(n) }
    :: d_step { askKind[n] != NOTHING -> giveUp(n) }
    :: d_step { lateRecord[n] != 0 -> forgetLate(n) }
    :: d_step { askKind[n] != NOTHING && (askKind[n] == CONFIRM || !ARBITER) && answer[n] == UNANSWERED -> serveProposal(n) }
    :: d_step { lateRecord[n] != 0 && lateToPeer[n] -> serveLateProposal(n) }

    /* ---- Taking the role. ---- */
#if ARBITER
    /* The standby promotes itself: it becomes a candidate and asks the arbiter. */
    :: d_step { role[n] == STANDBY && idle(n) && grantIsOver(n) && primary(arbiterRecord) == peer(n) &&
                namedInSync(n, arbiterRecord) && notBehind(n) &&
                room(newerVersion(n, arbiterRecord), newerEpoch(n, arbiterRecord)) ->
        role[n] = CANDIDATE;
        ask(n, TAKE, version(arbiterRecord),
            recordOf(newerVersion(n, arbiterRecord), newerEpoch(n, arbiterRecord), n, only(n))) }
    /* The arbiter's record names this node, which does not act (it restarted, or the acceptance came late). */
    :: d_step { role[n] == STANDBY && idle(n) && grantIsOver(n) && primary(arbiterRecord) == n &&
                room(newerVersion(n, arbiterRecord), newerEpoch(n, arbiterRecord)) ->
        role[n] = CANDIDATE;
        ask(n, TAKE, version(arbiterRecord),
            recordOf(newerVersion(n, arbiterRecord), retakeEpoch(n, arbiterRecord), n, inSync(baseRecord(n)))) }
#ifdef ACCEPT_LOSS
    /* The operator's `promote --accept-loss` skips the test of in-sync and nothing else. */
    :: d_step { operator == NOBODY && role[n] == STANDBY && idle(n) && grantIsOver(n) &&
                (primary(arbiterRecord) == peer(n) || mayTakeFromEmpty(n)) &&
                room(newerVersion(n, arbiterRecord), newerEpoch(n, arbiterRecord)) ->
        operator = n;
        role[n] = CANDIDATE;
        ask(n, TAKE, version(arbiterRecord),
            recordOf(newerVersion(n, arbiterRecord), newerEpoch(n, arbiterRecord), n, only(n))) }
#endif
#else
    /* Without an arbiter the standby's own record decides. */
    :: d_step { role[n] == STANDBY && idle(n) && grantIsOver(n) && primary(record[n]) == peer(n) &&
                namedInSync(n, record[n]) && room(version(record[n]) + 1, newerEpoch(n, record[n])) ->
        takeRole(n, recordOf(version(record[n]) + 1, newerEpoch(n, record[n]), n, only(n)), 0) }
#endif
    /* A primary that restarted asks the linked standby to confirm it. */
    :: d_step { role[n] == STANDBY && idle(n) && grantIsOver(n) && primary(record[n]) == n &&
                room(version(record[n]) + 1, confirmEpoch(n)) ->
        ask(n, CONFIRM, 0,
            recordOf(version(record[n]) + 1, confirmEpoch(n), n, inSync(record[n]))) }

    /* ---- News: a record of a higher version, or the same version with other content at the arbiter. ---- */
    :: d_step { version(record[peer(n)]) > version(record[n]) -> stepDown(n); persist(n, record[peer(n)]) }
#if ARBITER
    :: d_step { version(arbiterRecord) > version(record[n]) -> stepDown(n); persist(n, arbiterRecord) }
    :: d_step { role[n] == ACTING && version(arbiterRecord) == version(record[n]) && arbiterRecord != record[n] ->
        stepDown(n) }
#endif

    :: d_step { true -> restart(n) }

#ifdef SWITCHOVER
    /* ---- Switchover. ---- */
    :: d_step { role[n] == ACTING && idle(n) && joining[n] == NOT_JOINING && inSync(record[n]) == BOTH && follows(peer(n)) &&
                log[n] == log[peer(n)] && (log[n] & ~acknowledged) == 0 && handOverEpoch[n] == 0 ->
#if ARBITER
        releaseEpoch[n] = epoch(record[n]);
#endif
        handOverEpoch[n] = epoch(record[n]);
        handOverLog[n] = log[n];
#ifndef BUG_hand_over_while_acting
        stepDown(n)
#endif
       }
    :: d_step { handOverEpoch[peer(n)] != 0 -> receiveHandOver(n) }
#if ARBITER
    :: d_step { releaseEpoch[n] != 0 -> releaseEpoch[n] = 0 }
#endif
#endif
    od
}
