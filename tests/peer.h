/*
 * peer.h -- times of other programs for the same work, from scripts/bench_peers.py, which answers
 * one request at a time: a bench alternates its own rounds with the peer's, so both meet the same
 * machine.
 */
#ifndef PEER_H
#define PEER_H

/*
 * Start the script under $VLP_PYTHON (python3). Prints as remarks what it found. NULL where it does
 * not run. The caller ends it with peer_close.
 */
struct peer *peer_open(void);

/* Seconds that the peer needed for `request` (see the script); 0 where it cannot do that, or for
 * NULL. */
double peer_seconds(struct peer *p, const char *request);

/* Thread pools, theirs and ours, spin for a while after their work and would take the other's
 * processors: wait until they sleep. */
void peer_rest(void);

void peer_close(struct peer *p);

#endif
