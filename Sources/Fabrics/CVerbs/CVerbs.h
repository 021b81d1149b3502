// libibverbs and librdmacm for Swift, and the few calls that do not import as they are meant:
// `ibv_query_port` and `ibv_reg_mr` are macros over a compatibility function and lose what the macro adds;
// the unions of `ibv_send_wr` are filled here, so that posting is plain stores that @_noLocks code may do.
#ifndef CVERBS_H
#define CVERBS_H

#include <arpa/inet.h>
#include <errno.h>
#include <infiniband/verbs.h>
#include <netdb.h>
#include <poll.h>
#include <rdma/rdma_cma.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../Machine/CPlatform/include/NoLocks.h"

// MERINO_NO_LOCKS here: providers post and poll under a spin lock of their own and allocate nothing; who
// posts in a signal handler keeps signals blocked while the same queue is posted to elsewhere.

/// One work request of a chain with its one local buffer. Slots of a chain are contiguous.
struct cverbs_send_slot {
  struct ibv_send_wr request;
  struct ibv_sge buffer;
};

/// Fills what all operations have in common.
MERINO_NO_LOCKS static inline void cverbs_prepare(
    struct cverbs_send_slot *slot, enum ibv_wr_opcode opcode, uint64_t id, uint32_t flags, uint64_t local,
    uint32_t byte_count, uint32_t local_key) {
  slot->buffer.addr = local;
  slot->buffer.length = byte_count;
  slot->buffer.lkey = local_key;
  slot->request.wr_id = id;
  slot->request.next = NULL;
  slot->request.sg_list = &slot->buffer;
  slot->request.num_sge = byte_count == 0 ? 0 : 1;
  slot->request.opcode = opcode;
  slot->request.send_flags = flags;
}

/// Where a READ or WRITE goes.
MERINO_NO_LOCKS static inline void cverbs_set_remote(
    struct cverbs_send_slot *slot, uint64_t address, uint32_t key) {
  slot->request.wr.rdma.remote_addr = address;
  slot->request.wr.rdma.rkey = key;
}

/// Where an atomic goes and its operands. For fetch-and-add, `compare_add` is the addend.
MERINO_NO_LOCKS static inline void cverbs_set_atomic(
    struct cverbs_send_slot *slot, uint64_t address, uint32_t key, uint64_t compare_add, uint64_t swap) {
  slot->request.wr.atomic.remote_addr = address;
  slot->request.wr.atomic.rkey = key;
  slot->request.wr.atomic.compare_add = compare_add;
  slot->request.wr.atomic.swap = swap;
}

/// Four bytes that travel with a SEND or WRITE; `value` is in the host's byte order.
MERINO_NO_LOCKS static inline void cverbs_set_immediate(struct cverbs_send_slot *slot, uint32_t value) {
  slot->request.imm_data = htonl(value);
}

/// Links `slot` behind the slot before it.
MERINO_NO_LOCKS static inline void cverbs_link(struct cverbs_send_slot *slot) {
  (slot - 1)->request.next = &slot->request;
}

// Kept as functions of their own also in optimised code: they call into the provider by its table, and a
// check of what a signal handler reaches (ci/check-fault-path) admits such calls by the name of the function
// that makes them.
#define CVERBS_PROVIDER_CALL __attribute__((noinline, unused))

/// Posts a chain by one doorbell. 0, or the provider's errno with the slot that was refused in `*refused`.
MERINO_NO_LOCKS CVERBS_PROVIDER_CALL static int cverbs_post_send(
    struct ibv_qp *pair, struct cverbs_send_slot *first, struct cverbs_send_slot **refused) {
  struct ibv_send_wr *bad = NULL;
  int code = pair->context->ops.post_send(pair, &first->request, &bad);
  // `request` is the slot's first member.
  *refused = (struct cverbs_send_slot *)(void *)bad;
  return code;
}

MERINO_NO_LOCKS static inline int cverbs_post_receive(
    struct ibv_qp *pair, uint64_t id, uint64_t local, uint32_t byte_count, uint32_t local_key) {
  struct ibv_sge buffer = {local, byte_count, local_key};
  struct ibv_recv_wr request = {id, NULL, &buffer, byte_count == 0 ? 0 : 1};
  struct ibv_recv_wr *bad = NULL;
  return pair->context->ops.post_recv(pair, &request, &bad);
}

/// `struct ibv_wc` without its union, which Swift does not take for trivially copyable.
struct cverbs_completion {
  uint64_t id;
  uint32_t status;
  uint32_t operation;
  uint32_t vendor_code;
  uint32_t byte_count;
  /// In network byte order.
  uint32_t immediate;
  uint32_t pair_number;
  uint32_t peer_pair_number;
  uint32_t flags;
  uint16_t partition_key_index;
  uint16_t peer_lid;
  uint8_t service_level;
  uint8_t path_bits;
};
_Static_assert(sizeof(struct cverbs_completion) == sizeof(struct ibv_wc), "same layout");
_Static_assert(offsetof(struct cverbs_completion, status) ==
                   offsetof(struct ibv_wc, status),
               "same layout");
_Static_assert(offsetof(struct cverbs_completion, operation) ==
                   offsetof(struct ibv_wc, opcode),
               "same layout");
_Static_assert(offsetof(struct cverbs_completion, vendor_code) ==
                   offsetof(struct ibv_wc, vendor_err),
               "same layout");
_Static_assert(offsetof(struct cverbs_completion, immediate) ==
                   offsetof(struct ibv_wc, imm_data),
               "same layout");
_Static_assert(offsetof(struct cverbs_completion, pair_number) ==
                   offsetof(struct ibv_wc, qp_num),
               "same layout");
_Static_assert(offsetof(struct cverbs_completion, flags) ==
                   offsetof(struct ibv_wc, wc_flags),
               "same layout");

MERINO_NO_LOCKS CVERBS_PROVIDER_CALL static int cverbs_poll(
    struct ibv_cq *queue, int capacity, struct cverbs_completion *into) {
  return queue->context->ops.poll_cq(queue, capacity, (struct ibv_wc *)(void *)into);
}

MERINO_NO_LOCKS static inline int cverbs_request_notification(struct ibv_cq *queue, int solicited_only) {
  return queue->context->ops.req_notify_cq(queue, solicited_only);
}

static inline int cverbs_query_port(
    struct ibv_context *context, uint8_t port, struct ibv_port_attr *attributes) {
  return ibv_query_port(context, port, attributes);
}

/// All entries that hold something, of all ports; the number of them, or a negative errno. `room` is at least
/// the sum of the tables' lengths.
static inline ssize_t cverbs_query_gid_table(
    struct ibv_context *context, struct ibv_gid_entry *entries, size_t room) {
  return ibv_query_gid_table(context, entries, room, 0);
}

/// Older kernels and providers know less of it: what they do not fill stays zero.
static inline int cverbs_query_device_extended(
    struct ibv_context *context, struct ibv_device_attr_ex *attributes) {
  return ibv_query_device_ex(context, NULL, attributes);
}
static const uint64_t cverbs_odp_support = IBV_ODP_SUPPORT;

static inline struct ibv_mr *cverbs_register(
    struct ibv_pd *domain, void *address, size_t bytes, uint32_t access) {
  return ibv_reg_mr(domain, address, bytes, access);
}

static inline struct sockaddr *cverbs_local_address(struct rdma_cm_id *identifier) {
  return &identifier->route.addr.src_addr;
}

static inline struct sockaddr *cverbs_peer_address(struct rdma_cm_id *identifier) {
  return &identifier->route.addr.dst_addr;
}

#endif
