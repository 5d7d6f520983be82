/* The arbiter: compare-and-set of the record, its lease, restarts. It serves what the network brings. */

inline forgetLate(n) { lateToPeer[n] = 0; lateExpected[n] = 0; lateRecord[n] = 0 }

#if ARBITER

#ifdef BUG_arbiter_ignores_lease
#define mayName(p)  true
#else
/* A record that names nobody may be filled at once: see `mayPush` for by whom. */
#define mayName(p)  ((p) == primary(arbiterRecord) || primary(arbiterRecord) == NOBODY || !arbiterPromise)
#endif

#ifdef BUG_no_compare_and_set
#define asExpected(v, r)  true
#else
/* Another primary is another reign. */
#define newReign(r)  (primary(r) == primary(arbiterRecord) || epoch(r) > epoch(arbiterRecord))
#define asExpected(v, r)  ((v) == version(arbiterRecord) && version(r) > version(arbiterRecord) && newReign(r))
#endif

/* Serves change(expected, r); `outcome` is set to the answer. An accepted change is a grant: the promise starts anew. */
inline serveChange(expected, r, outcome) {
    if
    :: r == arbiterRecord -> arbiterPromise = 1; outcome = ACCEPTED
    :: r != arbiterRecord && asExpected(expected, r) && mayName(primary(r)) ->
        arbiterRecord = r; arbiterPromise = 1; outcome = ACCEPTED
    :: else ->
        outcome = (version(arbiterRecord) > expected -> REFUSED_FOR_GOOD : REFUSED)
    fi
}

#define askedArbiter(n)  (askKind[n] != NOTHING && askKind[n] != CONFIRM)

/* Nobody waits for the answer: to its sender it is only news. */
inline serveLate(n) {
    serveChange(lateExpected[n], lateRecord[n], outcome);
#ifdef BUG_late_answer_is_a_role
    if
    :: outcome == ACCEPTED && role[n] == STANDBY && primary(lateRecord[n]) == n -> takeRole(n, lateRecord[n], 1)
    :: else
    fi;
#endif
    outcome = 0;
    forgetLate(n)
}

#ifdef SWITCHOVER
inline serveRelease(n) {
    if
#ifdef BUG_release_of_any_epoch
    :: primary(arbiterRecord) == n -> arbiterPromise = 0
#else
    :: primary(arbiterRecord) == n && epoch(arbiterRecord) == releaseEpoch[n] -> arbiterPromise = 0
#endif
    :: else
    fi;
    releaseEpoch[n] = 0
}
#endif

active proctype arbiter() {
    byte outcome;
    end: do
    :: d_step { askedArbiter(0) -> serveChange(askExpected[0], askRecord[0], answer[0]) }
    :: d_step { askedArbiter(1) -> serveChange(askExpected[1], askRecord[1], answer[1]) }
    :: d_step { lateRecord[0] != 0 && !lateToPeer[0] -> serveLate(0) }
    :: d_step { lateRecord[1] != 0 && !lateToPeer[1] -> serveLate(1) }
    /* Restart: the arbiter does not know its last grant any more, and waits one whole grant out. */
    :: d_step { arbiterPromise == 0 ->
#ifndef BUG_restarted_arbiter_does_not_wait
        arbiterPromise = 1
#endif
       }
#ifdef BUG_restarted_arbiter_does_not_wait
    :: d_step { arbiterPromise -> arbiterPromise = 0 }
#endif
#ifdef STORE_LOST
    :: d_step { !storeLost -> storeLost = 1; arbiterRecord = NO_RECORD; arbiterPromise = 1 }
#endif
#ifdef SWITCHOVER
    :: d_step { releaseEpoch[0] -> serveRelease(0) }
    :: d_step { releaseEpoch[1] -> serveRelease(1) }
#endif
    od
}
#endif
