/*
 * Sanad's failover: two data nodes, and an arbiter or none.
 *
 * Every rule is one guarded step (`d_step`), so a run of the model is an order of steps. What the network can do (lose,
 * delay, repeat, deliver after the sender gave up) is a step being taken late, twice or never. README.md says what is
 * abstracted and why that is sound; check.sh says which variants are searched and which planted bugs are found.
 *
 * Compile-time switches of `spin -a`:
 *   ARBITER=1|0       a witness or etcd, or none
 *   MAX_VERSION, MAX_EPOCH, MAX_WRITES   the bounds (at most 7, 7, 3)
 *   SWITCHOVER        planned hand-over, with its late messages
 *   ACCEPT_LOSS       one `promote --accept-loss` by the operator
 *   STORE_LOST        the arbiter loses its store once
 *   BUG_...           one planted bug
 */
#ifndef ARBITER
#define ARBITER 1
#endif
#ifndef MAX_VERSION
#define MAX_VERSION 4
#endif
#ifndef MAX_EPOCH
#define MAX_EPOCH 3
#endif
#ifndef MAX_WRITES
#define MAX_WRITES 2
#endif

#define peer(n)   (1 - (n))
#define only(n)   (1 << (n))
#define BOTH      3
#define NOBODY    2

/* ---- The cluster record {version, epoch, primary, inSync}, packed so that comparing it is one comparison. ---- */

#define recordOf(v, e, p, s)  ((v) | ((e) << 3) | ((p) << 6) | ((s) << 8))
#define version(r)  ((r) & 7)
#define epoch(r)    (((r) >> 3) & 7)
#define primary(r)  (((r) >> 6) & 3)
#define inSync(r)   (((r) >> 8) & 3)
#define NO_RECORD   recordOf(0, 0, NOBODY, 0)

/* `c ? a : b`: Promela's own conditional expression cannot be an argument of an inline. */
#define either(c, a, b)  ((b) + ((c) != 0) * ((a) - (b)))
#define larger(a, b)     either((a) > (b), a, b)

/* ---- Roles, kinds of requests, answers. ---- */

#define STANDBY    0   /* not acting: a standby, or a primary not yet confirmed */
#define CANDIDATE  1   /* asks the arbiter for the role; does not grant */
#define ACTING     2   /* primary: acknowledges while it holds a lease */

#define NOTHING    0
#define TAKE       1   /* change at the arbiter: the role, for a new epoch */
#define DEGRADE    2   /* change: the standby is no longer in sync */
#define JOIN       3   /* change: the standby is in sync again */
#define PUSH       4   /* the arbiter is behind: give it the primary's record */
#define CONFIRM    5   /* proposal to the peer: confirm the role after a restart */

#define UNANSWERED       0
#define ACCEPTED         1
#define ACCEPTED_STALE   2   /* accepted, but the promise that came with it is over */
#define REFUSED          3   /* not now; a copy of the same request could still be accepted later */
#define REFUSED_FOR_GOOD 4   /* the version moved on: no copy can ever be accepted */

#define NOT_JOINING  0
#define PREPARING    1   /* every acknowledgement needs both sites; the record is not yet asked for */
#define ASKED        2   /* the change is asked for; its outcome is unknown */

/* ---- State. Kept over a restart: record, highest epoch, log. All else of a node is forgotten. ---- */

short record[2];           /* the last cluster record this node persisted */
byte  highestEpoch[2];     /* the highest epoch this node ever saw or asked for, persisted before a request is sent */
byte  log[2];              /* the writes durable here, one bit each, in the order of their numbers */
byte  role[2];
byte  joining[2];
bit   promise[2];          /* this node's own grant to its peer has not expired */
bit   standbyLease[2];     /* a lease granted by the standby / by the arbiter is unexpired at this primary */
bit   arbiterLease[2];

byte  askKind[2];          /* the request under way; the sender repeats it, so it may be served at any time, often */
byte  askExpected[2];
short askRecord[2];
byte  answer[2];           /* the answer on its way back */

bit   lateToPeer[2];       /* a copy of a request its sender has given up, or that was refused once */
byte  lateExpected[2];
short lateRecord[2];       /* 0: none */

short arbiterRecord;
bit   arbiterPromise;      /* the arbiter's lease of the record's primary has not expired */

#ifdef STORE_LOST
bit   storeLost;           /* it happens once */
#endif
#ifdef SWITCHOVER
byte  releaseEpoch[2];     /* `release` and `handOver` on their way; 0: none */
byte  handOverEpoch[2];
byte  handOverLog[2];
#endif
#ifdef ACCEPT_LOSS
byte  operator = NOBODY;   /* the node the operator's word is for; 3 once it is spent */
#endif

/* ---- Ghosts: read by the properties only (and by the joining primary, which knows what it acknowledged). ---- */

byte  writes;              /* how many writes were made */
byte  bothSites;           /* acknowledged as durable on both sites */
byte  oneSite;             /* acknowledged as durable on one site */
byte  actedEpochs;         /* the epochs somebody has acted in */
bit   confirmed[2];        /* since its start this node was confirmed, or promoted itself by the rules */

#define acknowledged  (bothSites | oneSite)

/* ---- Definitions of the rules. ---- */

/* The rule as the page has it leaves out `joining`: see README.md, "Holes". */
#ifdef BUG_joining_needs_no_lease
#define needsLease(n)  (ARBITER || (inSync(record[n]) & only(peer(n))))
#else
#define needsLease(n)  (ARBITER || (inSync(record[n]) & only(peer(n))) || joining[n] != NOT_JOINING)
#endif

#ifdef BUG_no_lease_check
#define mayAcknowledge(n)  (role[n] == ACTING)
#else
#define mayAcknowledge(n)  (role[n] == ACTING && (standbyLease[n] || arbiterLease[n] || !needsLease(n)))
#endif

/* Node n takes its peer for the primary of the epoch the peer acts in. */
#define follows(n)  (role[peer(n)] == ACTING && role[n] != ACTING && primary(record[n]) == peer(n) \
                     && epoch(record[n]) == epoch(record[peer(n)]))

/* The lowest write that only one of the two logs has, and what lies before it in both: the last common position. */
#define difference(n)   (log[n] ^ log[peer(n)])
#define fork(n)         (difference(n) & -difference(n))
#define common(n)       (log[n] & (fork(n) - 1))
#define missing(n)      (log[peer(n)] & ~log[n])
#define nextMissing(n)  (missing(n) & -missing(n))

#define newerEpoch(n, r)  (1 + larger(highestEpoch[n], epoch(r)))
#define newerVersion(n, r)  (1 + larger(version(record[n]), version(r)))
#define room(v, e)  ((v) <= MAX_VERSION && (e) <= MAX_EPOCH)

/* ---- Steps shared by several rules. ---- */

inline forgetRequest(n) {
    askKind[n] = NOTHING; askExpected[n] = 0; askRecord[n] = 0; answer[n] = UNANSWERED
}

/* The request is no longer waited for. A copy stays in the network if there is room: the older copy, unless it was lost. */
inline abandonRequest(n) {
    if
    :: askKind[n] != NOTHING && lateRecord[n] == 0 ->
        lateToPeer[n] = (askKind[n] == CONFIRM || !ARBITER);
        lateExpected[n] = askExpected[n];
        lateRecord[n] = askRecord[n]
    :: else
    fi;
    forgetRequest(n)
}

inline ask(n, kind, expected, r) {
    askKind[n] = kind; askExpected[n] = expected; askRecord[n] = r; answer[n] = UNANSWERED;
#ifndef BUG_asked_epoch_forgotten
    if :: epoch(askRecord[n]) > highestEpoch[n] -> highestEpoch[n] = epoch(askRecord[n]) :: else fi
#endif
}

inline persist(n, r) {
    record[n] = r;
    if :: epoch(record[n]) > highestEpoch[n] -> highestEpoch[n] = epoch(record[n]) :: else fi
}

inline stepDown(n) {
    role[n] = STANDBY; standbyLease[n] = 0; arbiterLease[n] = 0; joining[n] = NOT_JOINING;
    abandonRequest(n)
}

/* The operator took the role from an arbiter that had lost its store, which cannot tell what reigns there were: two
 * histories are possible then, and found out at the first contact. That one node acknowledges holds all the same. */
#if defined(ACCEPT_LOSS) && defined(STORE_LOST)
#define isOverridden  (storeLost && operator != NOBODY)
#else
#define isOverridden  false
#endif

#ifdef ACCEPT_LOSS
/* The operator accepted the loss of what was durable on one site only. */
inline spendOperator(n) {
    if
    :: operator == n -> oneSite = oneSite & log[n]; operator = 3
    :: else
    fi
}
#else
inline spendOperator(n) { skip }
#endif

/* The record is persisted, the first frame of the epoch is durable: the node acts. */
short taken;   /* scratch: an argument of an inline is text, and is evaluated here once, before the record changes */

inline takeRole(n, r, withLease) {
    taken = r;
    persist(n, taken);
    role[n] = ACTING;
    confirmed[n] = 1;
    standbyLease[n] = 0;
    arbiterLease[n] = withLease;
    joining[n] = NOT_JOINING;
    assert(isOverridden || (actedEpochs & (1 << epoch(taken))) == 0);   /* property 4: one reign, one epoch */
    actedEpochs = actedEpochs | (1 << epoch(taken));
    taken = 0;
    spendOperator(n)
}

#include "arbiter.pml"
#include "node.pml"

inline endOfPromise(n) {
    promise[n] = 0;
#ifndef BUG_lease_from_answer
    standbyLease[peer(n)] = 0
#endif
}

/*
 * Time. A granter's promise may end at any moment after its last answer. The lease it gave was counted from a moment not
 * later than that answer, and for a time that is shorter on any clock within the drift: it has ended before the promise
 * ends (lease.pml shows this with real clocks). So the end of the promise is the latest end of the lease. Ending the
 * lease earlier forbids steps and permits none, hence the model lets it last as long as it may.
 */
active proctype time() {
    end: do
    :: d_step { promise[0] -> endOfPromise(0) }
    :: d_step { promise[1] -> endOfPromise(1) }
#if ARBITER
    :: d_step { arbiterPromise ->
        arbiterPromise = 0;
#ifndef BUG_lease_from_answer
        arbiterLease[0] = 0; arbiterLease[1] = 0;
        if :: answer[0] == ACCEPTED && askKind[0] != CONFIRM -> answer[0] = ACCEPTED_STALE :: else fi;
        if :: answer[1] == ACCEPTED && askKind[1] != CONFIRM -> answer[1] = ACCEPTED_STALE :: else fi
#endif
       }
#endif
    od
}

/* ---- The properties that hold in every state. Guarded, so that a true property adds no state. ---- */

active proctype properties() {
    end: do
    /* 1. At most one node may acknowledge at any moment. */
    :: d_step { mayAcknowledge(0) && mayAcknowledge(1) -> assert(false) }
    /* 2. A node that may acknowledge has every write that was acknowledged as durable on both sites. */
    :: d_step { mayAcknowledge(0) && (bothSites & ~log[0]) && !isOverridden -> assert(false) }
    :: d_step { mayAcknowledge(1) && (bothSites & ~log[1]) && !isOverridden -> assert(false) }
    /* 3. And every write that was acknowledged as durable on one site, but for what an operator gave up. */
    :: d_step { mayAcknowledge(0) && (oneSite & ~log[0]) && !isOverridden -> assert(false) }
    :: d_step { mayAcknowledge(1) && (oneSite & ~log[1]) && !isOverridden -> assert(false) }
    /* 5. A node that restarted does not acknowledge before it is confirmed. */
    :: d_step { mayAcknowledge(0) && !confirmed[0] -> assert(false) }
    :: d_step { mayAcknowledge(1) && !confirmed[1] -> assert(false) }
    od
}

init {
    d_step {
        record[0] = recordOf(1, 1, 0, BOTH);
        record[1] = record[0];
        highestEpoch[0] = 1;
        highestEpoch[1] = 1;
#if ARBITER
        arbiterRecord = record[0];
#endif
        role[0] = ACTING;
        confirmed[0] = 1;
        confirmed[1] = 1;
        actedEpochs = 1 << 1
    }
    atomic { run node(0); run node(1) }
}
