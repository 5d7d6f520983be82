#!/bin/sh
# Searches the models in this directory with Spin.
#   check.sh        every variant must be free of errors, and searched to the end
#   check.sh long   the same with larger bounds (minutes)
#   check.sh bugs   every planted bug must be found
set -u
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
for tool in spin gcc; do
  command -v $tool >/dev/null || { echo "check.sh: $tool is not installed (apt-get install spin gcc)" >&2; exit 1; }
done
failed=0

# search <model> <switches of the model> <switches of the compiler>: leaves the answer of pan in $work/answer
search() {
  rm -rf "$work/run"; mkdir "$work/run"; cp "$here"/*.pml "$work/run"
  # A search that stops at its depth limit has not seen everything: it may go deeper than any run it met.
  depth=-m1000000; case $3 in *-DBFS*) depth= ;; esac
  (cd "$work/run" && spin -a $2 "$1.pml" && gcc -O2 -DSAFETY -DNOREDUCE -DMEMLIM=4000 $3 -o pan pan.c && ./pan $depth -w24
  ) >"$work/answer" 2>&1
}

# clean <name> <model> <bounds in words> <switches>
clean() {
  start=$(date +%s)
  search "$2" "$4" ""
  seconds=$(($(date +%s) - start))
  states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' "$work/answer")
  if grep -q 'errors: 0' "$work/answer" &&
    ! grep -q -e 'Search not completed' -e 'max search depth too small' -e 'out of memory' -e 'memory limit' "$work/answer"; then
    echo "$1: $3; $states states, $seconds s: no errors"
  else
    echo "$1: $3: FAILED"; cat "$work/answer"; failed=1
  fi
}

# caught <bug> <model> <switches> [depth]: breadth first, so that the run that shows it is the shortest one; the bugs
# that need long runs are searched for depth first, which is quicker and shows a longer run
caught() {
  order=-DBFS; [ "${4:-}" = depth ] && order=
  search "$2" "-D$1 $3" "$order"
  found=$(sed -n 's/.*assertion violated \(.*\) (at depth \([0-9]*\)).*/\2 steps/p' "$work/answer")
  if grep -q 'errors: 1' "$work/answer" && [ -n "$found" ]; then
    echo "$1: caught in $found"
  else
    echo "$1: NOT CAUGHT"; failed=1
  fi
}

safe="one acknowledging node, nothing acknowledged lost, epochs unique, restarts confirmed"
base="-DMAX_WRITES=1"
case ${1:-check} in
check)
  clean lease lease "the lease ends before the promise; lease 4, wait 6, clocks lose 1 tick in 4" ""
  clean arbiter failover "$safe; 5 versions, 3 epochs, 1 write" "$base -DMAX_VERSION=5"
  clean arbiter-switchover failover "$safe; 3 versions, 3 epochs, 1 write" "$base -DSWITCHOVER -DMAX_VERSION=3"
  clean arbiter-accept-loss failover "$safe; 3 versions, 3 epochs, 1 write" "$base -DACCEPT_LOSS -DMAX_VERSION=3"
  clean arbiter-store-lost failover "$safe; 3 versions, 3 epochs, 1 write" "$base -DSTORE_LOST -DMAX_VERSION=3"
  clean arbiter-accept-loss-store-lost failover "one acknowledging node; 3 versions, 3 epochs, 1 write" \
    "$base -DACCEPT_LOSS -DSTORE_LOST -DMAX_VERSION=3"
  clean none-switchover failover "$safe; 5 versions, 3 epochs, 2 writes" "-DARBITER=0 -DSWITCHOVER -DMAX_VERSION=5"
  ;;
long)
  clean arbiter failover "$safe; 4 versions, 3 epochs, 2 writes" ""
  clean arbiter failover "$safe; 4 versions, 4 epochs, 1 write" "$base -DMAX_EPOCH=4"
  ;;
bugs)
  caught BUG_lease_from_answer lease ""
  caught BUG_restarted_granter_does_not_wait lease ""
  caught BUG_wait_no_longer_than_lease lease ""
  for bug in no_lease_check own_grant_not_awaited arbiter_ignores_lease candidate_grants degrade_before_record \
    join_ends_on_unknown_outcome restarted_standby_does_not_wait restarted_primary_does_not_wait \
    restarted_arbiter_does_not_wait lease_from_answer epoch_not_raised resume_without_confirmation \
    late_answer_is_a_role no_compare_and_set promotion_ignores_in_sync candidate_confirms versions_alone_compared; do
    caught BUG_$bug failover "$base"
  done
  for bug in joining_needs_no_lease refused_join_merely_ends; do
    caught BUG_$bug failover "-DARBITER=0"
  done
  for bug in hand_over_while_acting release_of_any_epoch; do
    caught BUG_$bug failover "$base -DSWITCHOVER -DMAX_VERSION=3"
  done
  for bug in join_ends_on_any_refusal asked_epoch_forgotten confirms_epoch_it_asked_for; do
    caught BUG_$bug failover "$base -DMAX_VERSION=5" depth
  done
  caught BUG_forgetful_arbiter_not_awaited failover "$base -DACCEPT_LOSS -DSTORE_LOST -DMAX_VERSION=3"
  caught BUG_empty_arbiter_filled_on_own_word failover "$base -DSTORE_LOST -DMAX_VERSION=3"
  ;;
*)
  echo "usage: check.sh [long|bugs]" >&2; exit 64 ;;
esac
exit $failed
