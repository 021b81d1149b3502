// Queue pairs: their making, states, and the operations, executed at once by whoever posts them.
#include "Fake.h"

static uint32_t next_number = 0x100;
static int doorbells, reports, overruns, most_used, held, refuse_at = -1, forced_status;
static int confuses;
static unsigned inline_limit = 4096;

int cfake_doorbells(void) { return doorbells; }
int cfake_reports(void) { return reports; }
int cfake_overruns(void) { return overruns; }
void cfake_hold_reports(int on) { held = on; }
void cfake_confuse_answers(int on) { confuses = on; }
void cfake_limit_inline(int bytes) { inline_limit = (unsigned)bytes; }

int cfake_most_used(void) {
  LOCKED;
  int most = most_used;
  most_used = 0;
  return most;
}

void cfake_refuse_post_at(int index) { refuse_at = index; }
void cfake_complete_next_with(int status) { forced_status = status; }

static struct fake_qp *pairs[MOST];

struct fake_qp *fake_qp_numbered(uint32_t number) {
  for (int i = 0; i < MOST; i++)
    if (pairs[i] && pairs[i]->qp.qp_num == number) return pairs[i];
  return NULL;
}

struct ibv_qp *ibv_create_qp(struct ibv_pd *domain, struct ibv_qp_init_attr *init) {
  if (!fake_is(domain)) return REAL(ibv_create_qp)(domain, init);
  FAIL_POINTER("ibv_create_qp");
  LOCKED;
  if (init->cap.max_inline_data > inline_limit || init->cap.max_send_wr > LONGEST_QUEUE ||
      init->cap.max_recv_wr > RING) {
    errno = EINVAL;
    return NULL;
  }
  struct fake_qp *pair = calloc(1, sizeof *pair);
  pair->qp.context = domain->context;
  pair->qp.pd = domain;
  pair->qp.send_cq = init->send_cq;
  pair->qp.recv_cq = init->recv_cq;
  pair->qp.qp_num = next_number++;
  pair->qp.qp_type = init->qp_type;
  pair->init = *init;
  fake_add(pair, domain, init->send_cq, init->recv_cq);
  for (int i = 0; i < MOST; i++)
    if (!pairs[i]) {
      pairs[i] = pair;
      break;
    }
  return &pair->qp;
}

int ibv_destroy_qp(struct ibv_qp *qp) {
  if (!fake_is(qp)) return REAL(ibv_destroy_qp)(qp);
  int code = fake_failure("ibv_destroy_qp");
  if (code) return code;
  LOCKED;
  for (int i = 0; i < MOST; i++)
    if (pairs[i] && &pairs[i]->qp == qp) pairs[i] = NULL;
  fake_remove(qp);
  free(qp);
  return 0;
}

int ibv_modify_qp(struct ibv_qp *qp, struct ibv_qp_attr *attr, int mask) {
  if (!fake_is(qp)) return REAL(ibv_modify_qp)(qp, attr, mask);
  int code = fake_failure("ibv_modify_qp");
  if (code) return code;
  LOCKED;
  struct fake_qp *pair = (struct fake_qp *)qp;
  if (mask & IBV_QP_ACCESS_FLAGS) pair->attr.qp_access_flags = attr->qp_access_flags;
  if (mask & IBV_QP_PATH_MTU) pair->attr.path_mtu = attr->path_mtu;
  if (mask & IBV_QP_TIMEOUT) pair->attr.timeout = attr->timeout;
  if (mask & IBV_QP_DEST_QPN) pair->attr.dest_qp_num = attr->dest_qp_num;
  if (mask & IBV_QP_MAX_QP_RD_ATOMIC) pair->attr.max_rd_atomic = attr->max_rd_atomic;
  if (mask & IBV_QP_MAX_DEST_RD_ATOMIC) pair->attr.max_dest_rd_atomic = attr->max_dest_rd_atomic;
  if (mask & IBV_QP_STATE) qp->state = attr->qp_state;
  if (qp->state == IBV_QPS_ERR) fake_flush(pair);
  return 0;
}

int ibv_query_qp(struct ibv_qp *qp, struct ibv_qp_attr *attr, int mask, struct ibv_qp_init_attr *init) {
  if (!fake_is(qp)) return REAL(ibv_query_qp)(qp, attr, mask, init);
  struct fake_qp *pair = (struct fake_qp *)qp;
  *attr = pair->attr;
  attr->qp_state = qp->state;
  *init = pair->init;
  return 0;
}

static void report(struct ibv_cq *to, struct ibv_wc completion, unsigned slots) {
  struct fake_cq *queue = (struct fake_cq *)to;
  reports++;
  if (queue->tail - queue->head == (unsigned)to->cqe) {
    overruns++;
    return;
  }
  queue->ring[queue->tail++ % (unsigned)to->cqe] = (struct fake_report){completion, slots};
  struct fake_channel *channel = (struct fake_channel *)to->channel;
  if (!queue->armed || !channel) return;
  queue->armed = 0;
  channel->events[channel->tail++ % MOST] = to;
  uint64_t one = 1;
  if (write(channel->channel.fd, &one, sizeof one) < 0) abort();
}

static int take_reports(struct ibv_cq *cq, int capacity, struct ibv_wc *into) {
  LOCKED;
  struct fake_cq *queue = (struct fake_cq *)cq;
  int count = 0;
  while (!held && count < capacity && queue->head != queue->tail) {
    struct fake_report *next = &queue->ring[queue->head++ % (unsigned)cq->cqe];
    struct fake_qp *pair = fake_qp_numbered(next->completion.qp_num);
    if (pair) pair->used -= next->slots;
    into[count++] = next->completion;
  }
  return count;
}

int fake_poll_cq(struct ibv_cq *cq, int capacity, struct ibv_wc *into) {
  int code = fake_failure("ibv_poll_cq");
  if (code) return -code;
  int count = take_reports(cq, capacity, into);
  // Another thread that polls into the same memory meanwhile would be seen.
  if (count) sched_yield();
  return count;
}

int fake_req_notify(struct ibv_cq *cq, int solicited_only) {
  (void)solicited_only;
  ((struct fake_cq *)cq)->armed = 1;
  return 0;
}

void fake_flush(struct fake_qp *pair) {
  pair->qp.state = IBV_QPS_ERR;
  while (pair->head != pair->tail) {
    struct ibv_wc flushed = {.status = IBV_WC_WR_FLUSH_ERR, .opcode = IBV_WC_RECV, .qp_num = pair->qp.qp_num};
    flushed.wr_id = pair->receives[pair->head++ % RING].wr_id;
    report(pair->qp.recv_cq, flushed, 0);
  }
}

int fake_post_recv(struct ibv_qp *qp, struct ibv_recv_wr *request, struct ibv_recv_wr **bad) {
  LOCKED;
  struct fake_qp *pair = (struct fake_qp *)qp;
  for (; request; request = request->next) {
    *bad = request;
    if (qp->state == IBV_QPS_RESET) return EINVAL;
    if (pair->tail - pair->head >= pair->init.cap.max_recv_wr) return ENOMEM;
    unsigned slot = pair->tail++ % RING;
    pair->receives[slot] = *request;
    memset(&pair->buffers[slot], 0, sizeof pair->buffers[slot]);
    if (request->num_sge) pair->buffers[slot] = request->sg_list[0];
  }
  return 0;
}

/// The bytes that a key admits to, NULL where it does not.
static void *reach(uint32_t key, int remote, uint64_t at, uint64_t length, unsigned access,
                   struct ibv_pd *domain) {
  for (int i = 0; i < MOST; i++) {
    struct fake_mr *region = fake_regions[i];
    if (!region || (remote ? region->mr.rkey : region->mr.lkey) != key) continue;
    uint64_t begin = (uintptr_t)region->mr.addr;
    if (region->mr.pd != domain || (region->access & access) != access) return NULL;
    if (at < begin || at + length > begin + region->mr.length) return NULL;
    return (void *)(uintptr_t)at;
  }
  return NULL;
}

static enum ibv_wc_status deliver(
    struct fake_qp *peer, const struct ibv_send_wr *request, const void *data, uint32_t length, int written) {
  if (peer->head == peer->tail) return IBV_WC_RNR_RETRY_EXC_ERR;
  unsigned slot = peer->head++ % RING;
  struct ibv_wc got = {.wr_id = peer->receives[slot].wr_id, .byte_len = length, .qp_num = peer->qp.qp_num};
  got.opcode = written ? IBV_WC_RECV_RDMA_WITH_IMM : IBV_WC_RECV;
  if (request->opcode == IBV_WR_SEND_WITH_IMM || written) {
    got.wc_flags = IBV_WC_WITH_IMM;
    got.imm_data = request->imm_data;
  }
  enum ibv_wc_status result = IBV_WC_SUCCESS;
  if (!written && length) {
    struct ibv_sge *into = &peer->buffers[slot];
    void *to = reach(into->lkey, 0, into->addr, length, IBV_ACCESS_LOCAL_WRITE, peer->qp.pd);
    if (into->length < length || !to) {
      got.status = IBV_WC_LOC_LEN_ERR;
      result = IBV_WC_REM_INV_REQ_ERR;
    } else {
      memcpy(to, data, length);
    }
  }
  report(peer->qp.recv_cq, got, 0);
  return result;
}

static enum ibv_wc_status execute(struct fake_qp *pair, const struct ibv_send_wr *request,
                                  enum ibv_wc_opcode *opcode) {
  struct fake_qp *peer = fake_qp_numbered(pair->attr.dest_qp_num);
  struct ibv_sge local = {0};
  if (request->num_sge) local = request->sg_list[0];
  int atomic = request->opcode == IBV_WR_ATOMIC_CMP_AND_SWP || request->opcode == IBV_WR_ATOMIC_FETCH_AND_ADD;
  int fetches = atomic || request->opcode == IBV_WR_RDMA_READ;
  void *here = (void *)(uintptr_t)local.addr;
  if (!(request->send_flags & IBV_SEND_INLINE) && local.length)
    here = reach(local.lkey, 0, local.addr, local.length, fetches ? IBV_ACCESS_LOCAL_WRITE : 0, pair->qp.pd);
  *opcode = request->opcode == IBV_WR_RDMA_READ              ? IBV_WC_RDMA_READ
            : request->opcode == IBV_WR_ATOMIC_CMP_AND_SWP   ? IBV_WC_COMP_SWAP
            : request->opcode == IBV_WR_ATOMIC_FETCH_AND_ADD ? IBV_WC_FETCH_ADD
            : request->opcode == IBV_WR_RDMA_WRITE           ? IBV_WC_RDMA_WRITE
            : request->opcode == IBV_WR_RDMA_WRITE_WITH_IMM  ? IBV_WC_RDMA_WRITE
                                                             : IBV_WC_SEND;
  if (forced_status) {
    enum ibv_wc_status status = (enum ibv_wc_status)forced_status;
    forced_status = 0;
    return status;
  }
  if (local.length && !here) return IBV_WC_LOC_PROT_ERR;
  if (!peer || peer->qp.state < IBV_QPS_RTR || peer->qp.state == IBV_QPS_ERR) return IBV_WC_RETRY_EXC_ERR;
  // A queue pair answers only the one that it is connected to.
  if (peer->attr.dest_qp_num != pair->qp.qp_num) return IBV_WC_RETRY_EXC_ERR;
  if (*opcode == IBV_WC_SEND) return deliver(peer, request, here, local.length, 0);

  unsigned needs = atomic    ? IBV_ACCESS_REMOTE_ATOMIC
                   : fetches ? IBV_ACCESS_REMOTE_READ
                             : IBV_ACCESS_REMOTE_WRITE;
  uint64_t address = atomic ? request->wr.atomic.remote_addr : request->wr.rdma.remote_addr;
  uint32_t key = atomic ? request->wr.atomic.rkey : request->wr.rdma.rkey;
  if (atomic && (address % 8 || local.length != 8)) return IBV_WC_REM_INV_REQ_ERR;
  void *there = reach(key, 1, address, local.length, needs, peer->qp.pd);
  if (!there || (peer->attr.qp_access_flags & needs) != needs) return IBV_WC_REM_ACCESS_ERR;
  if (atomic) {
    uint64_t before;
    memcpy(&before, there, 8);
    uint64_t after = before + request->wr.atomic.compare_add;
    if (request->opcode == IBV_WR_ATOMIC_CMP_AND_SWP)
      after = before == request->wr.atomic.compare_add ? request->wr.atomic.swap : before;
    memcpy(there, &after, 8);
    // Requests whose end was not polled are the last `used`, this one among them.
    if (!confuses || pair->writes_end <= pair->posted - pair->used) memcpy(here, &before, 8);
  } else {
    memcpy(fetches ? here : there, fetches ? there : here, local.length);
  }
  if (request->opcode == IBV_WR_RDMA_WRITE_WITH_IMM) return deliver(peer, request, NULL, local.length, 1);
  return IBV_WC_SUCCESS;
}

int fake_post_send(struct ibv_qp *qp, struct ibv_send_wr *request, struct ibv_send_wr **bad) {
  LOCKED;
  struct fake_qp *pair = (struct fake_qp *)qp;
  doorbells++;
  for (int index = 0; request; request = request->next, index++) {
    *bad = request;
    if (index == refuse_at) {
      refuse_at = -1;
      return ENOMEM;
    }
    if (qp->state != IBV_QPS_RTS && qp->state != IBV_QPS_ERR) return EINVAL;
    if (pair->used >= pair->init.cap.max_send_wr) return ENOMEM;
    if ((request->send_flags & IBV_SEND_INLINE) && request->num_sge &&
        request->sg_list[0].length > pair->init.cap.max_inline_data)
      return EINVAL;
    pair->used++;
    pair->unreported++;
    pair->posted++;
    if ((int)pair->used > most_used) most_used = (int)pair->used;
    struct ibv_wc done = {.wr_id = request->wr_id, .qp_num = qp->qp_num, .status = IBV_WC_WR_FLUSH_ERR};
    if (qp->state == IBV_QPS_RTS) done.status = execute(pair, request, &done.opcode);
    if (request->num_sge) done.byte_len = request->sg_list[0].length;
    if (done.opcode == IBV_WC_RDMA_WRITE || done.opcode == IBV_WC_SEND) pair->writes_end = pair->posted;
    if (done.status != IBV_WC_SUCCESS) {
      done.vendor_err = 77;
      report(qp->send_cq, done, pair->unreported);
      pair->unreported = 0;
      fake_flush(pair);
    } else if (pair->init.sq_sig_all || (request->send_flags & IBV_SEND_SIGNALED)) {
      // When it is polled it gives back its own slot and those before it.
      report(qp->send_cq, done, pair->unreported);
      pair->unreported = 0;
    }
  }
  return 0;
}
