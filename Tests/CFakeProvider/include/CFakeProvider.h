// An RDMA device made of memory, for tests on machines that have none. The functions of libibverbs and
// librdmacm are defined again in the test program and win over the libraries'; calls that concern no fake
// object go on to the library, so a real device can be tested in the same program.
#ifndef CFAKEPROVIDER_H
#define CFAKEPROVIDER_H

#include <stdint.h>

/// While on, the calling thread sees the fake devices "fake0" (active, atomics), "fake1" (port down) and
/// "fake2" (no atomics) in place of the host's.
void cfake_enable(int on);
/// Lets the next call of this verb that concerns the fake fail with this errno.
void cfake_fail_next(const char *verb, int code);
/// Lets posting refuse the request of this index in its chain with ENOMEM, once.
void cfake_refuse_post_at(int index);
/// Lets the next executed request end with this status.
void cfake_complete_next_with(int status);
/// Fake objects that are alive.
int cfake_live(void);
/// Objects that were closed before something made from them. A correct library leaves it at 0.
int cfake_order_violations(void);
/// Doorbells: calls of post_send so far.
int cfake_doorbells(void);
/// Reports of requests so far, those of errors included.
int cfake_reports(void);
/// The most send slots of one queue pair that were in use at once since the last call.
int cfake_most_used(void);
/// Reports that found their completion queue full. A device fails then; a correct library leaves it at 0.
int cfake_overruns(void);
/// While on, a poll finds nothing: requests are executed, and their ends stay unseen.
void cfake_hold_reports(int on);
/// The longest inline data that queue pairs are granted; at first 4,096.
void cfake_limit_inline(int bytes);
/// The devices' vendor; at first 0, as older kernels say of Soft-RoCE.
void cfake_set_vendor(uint32_t vendor);
/// While on, an atomic is executed and ends well but its value never comes, if the end of a WRITE before it
/// was not polled when it was posted: what Soft-RoCE does when it sends the WRITE again and the atomic's
/// answer got lost.
void cfake_confuse_answers(int on);
/// Port 1 of every fake device: a link layer (`IBV_LINK_LAYER_*`) and which of its GIDs there are, as bits: 0
/// is link-local, 1 is 192.0.2.1, 2 is 2001:db8::1. At first Ethernet with the first two.
void cfake_set_port(int link_layer, unsigned gids);
/// Calls of ibv_fork_init before the first device was opened.
int cfake_fork_preparations(void);
/// Queries of single GIDs, and of whole tables, so far.
int cfake_gid_queries(void);
int cfake_gid_table_queries(void);
/// The last value that rdma_set_option was given for an option of RDMA_OPTION_ID, -1 before.
int cfake_option(int option);
/// Raises an asynchronous event on the fake contexts: a port's, or of the queue pair of that number.
void cfake_raise_async(int type, int port, uint32_t pair_number);

/// Allocations of the calling thread so far; always 0 under a sanitizer, which has an allocator of its own.
long cfake_allocations(void);
/// Whether allocations are counted.
int cfake_counts_allocations(void);

#endif
