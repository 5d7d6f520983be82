/*
 * Why failover.pml may say "the end of the promise is the latest end of the lease": the same rule with real clocks.
 *
 * The primary sends a request, the granter answers it any time later, the answer arrives any time later or never. Both
 * clocks run on one true time; between two ticks of the one the other may gain or lose, but over any WINDOW of true
 * ticks a clock loses at most one (the drift, far larger than the 1 % of the daemon). The primary counts LEASE on its
 * clock from the sending, the granter WAIT on its own from the answer, WAIT >= LEASE x (1 + drift).
 */
#ifdef BUG_wait_no_longer_than_lease
#define WAIT    4
#else
#define WAIT    6
#endif
#define LEASE   4
#define WINDOW  4

#define PRIMARY  0
#define GRANTER  1

byte elapsed[2];     /* clock ticks since the request was sent (primary) and since the answer or restart (granter) */
byte sinceSkip[2];   /* true ticks since this clock last lost one, at most WINDOW */
bit  sent; bit answered; bit received; bit promised;

#define leaseRuns  (received && elapsed[PRIMARY] < LEASE)

inline tick(clock) { if :: elapsed[clock] < 2 * WAIT -> elapsed[clock]++ :: else fi }

inline rest(clock) { if :: sinceSkip[clock] < WINDOW -> sinceSkip[clock]++ :: else fi }

active proctype lease() {
    sinceSkip[PRIMARY] = WINDOW; sinceSkip[GRANTER] = WINDOW;
    end: do
    :: d_step { !sent -> sent = 1; elapsed[PRIMARY] = 0 }
    :: d_step { sent && !answered -> answered = 1; promised = 1; elapsed[GRANTER] = 0 }
    :: d_step { answered && !received ->
#ifdef BUG_lease_from_answer
        elapsed[PRIMARY] = 0;
#endif
        received = 1 }
    :: d_step { promised && elapsed[GRANTER] >= WAIT -> promised = 0 }
#ifdef BUG_restarted_granter_does_not_wait
    :: d_step { promised -> promised = 0 }
#else
    :: d_step { promised -> elapsed[GRANTER] = 0 }
#endif
    /* True time goes on by one tick: both clocks do, or one that has not lost a tick for a whole window loses one. */
    :: d_step { true -> tick(PRIMARY); tick(GRANTER); rest(PRIMARY); rest(GRANTER) }
    :: d_step { sinceSkip[PRIMARY] == WINDOW -> sinceSkip[PRIMARY] = 1; tick(GRANTER); rest(GRANTER) }
    :: d_step { sinceSkip[GRANTER] == WINDOW -> sinceSkip[GRANTER] = 1; tick(PRIMARY); rest(PRIMARY) }
    /* The lease never outlives the promise. */
    :: d_step { answered && !promised && leaseRuns -> assert(false) }
    od
}
