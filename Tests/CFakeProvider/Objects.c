// Devices, contexts and what is made from them.
#include <arpa/inet.h>
#include <stdio.h>

#include "Fake.h"

enum { DEVICES = 3 };
static struct ibv_device devices[DEVICES] = {{.name = "fake0"}, {.name = "fake1"}, {.name = "fake2"}};
static uint32_t next_key = 0x1000;
enum { GIDS = 3 };
static int link_layer = IBV_LINK_LAYER_ETHERNET, gid_queries, gid_table_queries;
static unsigned gids = 3;

void cfake_set_port(int layer, unsigned which) {
  LOCKED;
  link_layer = layer;
  gids = which;
}

int cfake_gid_queries(void) { return gid_queries; }
int cfake_gid_table_queries(void) { return gid_table_queries; }

static int device_index(struct ibv_device *device) {
  for (int i = 0; i < DEVICES; i++)
    if (device == &devices[i]) return i;
  return -1;
}

static int fork_preparations;

int cfake_fork_preparations(void) { return fork_preparations; }

int ibv_fork_init(void) {
  if (!fake_enabled) return REAL(ibv_fork_init)();
  LOCKED;
  for (int i = 0; i < MOST; i++)
    if (fake_contexts[i]) return EINVAL;
  fork_preparations++;
  return 0;
}

struct ibv_device **ibv_get_device_list(int *count) {
  if (!fake_enabled) return REAL(ibv_get_device_list)(count);
  FAIL_POINTER("ibv_get_device_list");
  struct ibv_device **list = calloc(DEVICES + 1, sizeof *list);
  for (int i = 0; i < DEVICES; i++) list[i] = &devices[i];
  if (count) *count = DEVICES;
  fake_add(list, NULL, NULL, NULL);
  return list;
}

void ibv_free_device_list(struct ibv_device **list) {
  if (!fake_is(list)) {
    REAL(ibv_free_device_list)(list);
    return;
  }
  fake_remove(list);
  free(list);
}

__be64 ibv_get_device_guid(struct ibv_device *device) {
  int index = device_index(device);
  return index < 0 ? REAL(ibv_get_device_guid)(device) : (__be64)htonl((uint32_t)index + 1) << 32;
}

struct ibv_context *ibv_open_device(struct ibv_device *device) {
  if (device_index(device) < 0) return REAL(ibv_open_device)(device);
  FAIL_POINTER("ibv_open_device");
  struct ibv_context *context = calloc(1, sizeof *context);
  context->device = device;
  context->ops.post_send = fake_post_send;
  context->ops.post_recv = fake_post_recv;
  context->ops.poll_cq = fake_poll_cq;
  context->ops.req_notify_cq = fake_req_notify;
  context->async_fd = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
  fake_add(context, NULL, NULL, NULL);
  fake_replace(fake_contexts, NULL, context);
  return context;
}

struct ibv_context *fake_open_first(void) { return ibv_open_device(&devices[0]); }

int ibv_close_device(struct ibv_context *context) {
  if (!fake_is(context)) return REAL(ibv_close_device)(context);
  fake_remove(context);
  fake_replace(fake_contexts, context, NULL);
  close(context->async_fd);
  free(context);
  return 0;
}

static uint32_t vendor;
void cfake_set_vendor(uint32_t number) { vendor = number; }

int ibv_query_device(struct ibv_context *context, struct ibv_device_attr *attr) {
  if (!fake_is(context)) return REAL(ibv_query_device)(context, attr);
  int code = fake_failure("ibv_query_device");
  if (code) return code;
  memset(attr, 0, sizeof *attr);
  snprintf(attr->fw_ver, sizeof attr->fw_ver, "1.2.3");
  attr->vendor_id = vendor;
  attr->phys_port_cnt = 1;
  attr->max_qp_rd_atom = attr->max_qp_init_rd_atom = 16;
  attr->max_qp_wr = LONGEST_QUEUE;
  attr->max_qp = 512;
  attr->max_cqe = 1 << 16;
  attr->atomic_cap = device_index(context->device) == 2 ? IBV_ATOMIC_NONE : IBV_ATOMIC_HCA;
  return 0;
}

// libibverbs' callers go through the inline ___ibv_query_port, which hands over the whole structure.
int ibv_query_port(struct ibv_context *context, uint8_t port, struct _compat_ibv_port_attr *compat) {
  if (!fake_is(context)) return REAL(ibv_query_port)(context, port, compat);
  if (port != 1) return EINVAL;
  struct ibv_port_attr *attr = (struct ibv_port_attr *)compat;
  attr->state = device_index(context->device) == 1 ? IBV_PORT_DOWN : IBV_PORT_ACTIVE;
  attr->active_mtu = attr->max_mtu = IBV_MTU_4096;
  attr->gid_tbl_len = GIDS;
  attr->link_layer = (uint8_t)link_layer;
  attr->lid = link_layer == IBV_LINK_LAYER_INFINIBAND ? 7 : 0;
  return 0;
}

static void fill_gid(union ibv_gid *gid, int index) {
  memset(gid, 0, sizeof *gid);
  if (!(gids >> index & 1)) return;
  gid->raw[15] = 1;
  if (index == 0) gid->raw[0] = 0xfe, gid->raw[1] = 0x80;
  if (index == 1) gid->raw[10] = gid->raw[11] = 0xff, gid->raw[12] = 192, gid->raw[14] = 2;
  if (index == 2) gid->raw[0] = 0x20, gid->raw[1] = 1, gid->raw[2] = 0x0d, gid->raw[3] = 0xb8;
}

int ibv_query_gid(struct ibv_context *context, uint8_t port, int index, union ibv_gid *gid) {
  if (!fake_is(context)) return REAL(ibv_query_gid)(context, port, index, gid);
  gid_queries++;
  fill_gid(gid, index);
  return index < GIDS ? 0 : -1;
}

// ibv_query_gid_table is inline over this; entries that hold nothing are left out.
ssize_t _ibv_query_gid_table(struct ibv_context *context, struct ibv_gid_entry *entries, size_t room,
                             uint32_t flags, size_t entry_size) {
  if (!fake_is(context)) return REAL(_ibv_query_gid_table)(context, entries, room, flags, entry_size);
  int code = fake_failure("ibv_query_gid_table");
  if (code) return -code;
  gid_table_queries++;
  // The kernel refuses a buffer that does not hold what there is.
  if (room < GIDS || entry_size != sizeof *entries) return -EINVAL;
  ssize_t count = 0;
  for (int index = 0; index < GIDS; index++) {
    if (!(gids >> index & 1)) continue;
    entries[count] = (struct ibv_gid_entry){.gid_index = (uint32_t)index, .port_num = 1};
    entries[count].gid_type = link_layer == IBV_LINK_LAYER_ETHERNET ? IBV_GID_TYPE_ROCE_V2 : IBV_GID_TYPE_IB;
    fill_gid(&entries[count++].gid, index);
  }
  return count;
}

struct ibv_pd *ibv_alloc_pd(struct ibv_context *context) {
  if (!fake_is(context)) return REAL(ibv_alloc_pd)(context);
  FAIL_POINTER("ibv_alloc_pd");
  struct ibv_pd *domain = calloc(1, sizeof *domain);
  domain->context = context;
  fake_add(domain, context, NULL, NULL);
  return domain;
}

int ibv_dealloc_pd(struct ibv_pd *domain) {
  if (!fake_is(domain)) return REAL(ibv_dealloc_pd)(domain);
  fake_remove(domain);
  free(domain);
  return 0;
}

struct ibv_mr *ibv_reg_mr_iova2(struct ibv_pd *domain, void *at, size_t length, uint64_t iova,
                                unsigned access) {
  if (!fake_is(domain)) return REAL(ibv_reg_mr_iova2)(domain, at, length, iova, access);
  FAIL_POINTER("ibv_reg_mr");
  LOCKED;
  struct fake_mr *region = calloc(1, sizeof *region);
  region->mr = (struct ibv_mr){domain->context, domain, at, length, 0, next_key, next_key + 1};
  region->access = access;
  next_key += 2;
  fake_add(region, domain, NULL, NULL);
  fake_replace(fake_regions, NULL, region);
  return &region->mr;
}

struct ibv_mr *ibv_reg_mr(struct ibv_pd *domain, void *at, size_t length, int access) {
  if (!fake_is(domain)) return REAL(ibv_reg_mr)(domain, at, length, access);
  return ibv_reg_mr_iova2(domain, at, length, (uintptr_t)at, (unsigned)access);
}

int ibv_dereg_mr(struct ibv_mr *region) {
  if (!fake_is(region)) return REAL(ibv_dereg_mr)(region);
  // A failure that was asked for is reported; the region goes all the same, so that the test leaves nothing
  // behind.
  int code = fake_failure("ibv_dereg_mr");
  fake_remove(region);
  fake_replace(fake_regions, region, NULL);
  free(region);
  return code;
}

struct ibv_comp_channel *ibv_create_comp_channel(struct ibv_context *context) {
  if (!fake_is(context)) return REAL(ibv_create_comp_channel)(context);
  struct fake_channel *channel = calloc(1, sizeof *channel);
  channel->channel.context = context;
  channel->channel.fd = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
  fake_add(channel, context, NULL, NULL);
  return &channel->channel;
}

int ibv_destroy_comp_channel(struct ibv_comp_channel *channel) {
  if (!fake_is(channel)) return REAL(ibv_destroy_comp_channel)(channel);
  fake_remove(channel);
  close(channel->fd);
  free(channel);
  return 0;
}

struct ibv_cq *ibv_create_cq(
    struct ibv_context *context, int entries, void *tag, struct ibv_comp_channel *channel, int vector) {
  if (!fake_is(context)) return REAL(ibv_create_cq)(context, entries, tag, channel, vector);
  FAIL_POINTER("ibv_create_cq");
  struct fake_cq *queue = calloc(1, sizeof *queue);
  queue->cq.context = context;
  queue->cq.cq_context = tag;
  queue->cq.channel = channel;
  queue->cq.cqe = entries;
  queue->ring = calloc((size_t)entries, sizeof *queue->ring);
  fake_add(queue, context, channel, NULL);
  return &queue->cq;
}

int ibv_destroy_cq(struct ibv_cq *queue) {
  if (!fake_is(queue)) return REAL(ibv_destroy_cq)(queue);
  fake_remove(queue);
  free(((struct fake_cq *)queue)->ring);
  free(queue);
  return 0;
}

int ibv_get_cq_event(struct ibv_comp_channel *from, struct ibv_cq **queue, void **tag) {
  if (!fake_is(from)) return REAL(ibv_get_cq_event)(from, queue, tag);
  uint64_t one;
  if (read(from->fd, &one, sizeof one) != sizeof one) return -1;
  LOCKED;
  struct fake_channel *channel = (struct fake_channel *)from;
  *queue = channel->events[channel->head++ % MOST];
  *tag = (*queue)->cq_context;
  return 0;
}

void ibv_ack_cq_events(struct ibv_cq *queue, unsigned count) {
  if (!fake_is(queue)) REAL(ibv_ack_cq_events)(queue, count);
}

static uint64_t pending_async;  // type << 48 | port << 40 | queue pair number

void cfake_raise_async(int type, int port, uint32_t pair_number) {
  LOCKED;
  pending_async = (uint64_t)type << 48 | (uint64_t)port << 40 | pair_number;
  uint64_t one = 1;
  for (int i = 0; i < MOST; i++)
    if (fake_contexts[i] && write(fake_contexts[i]->async_fd, &one, sizeof one) < 0) abort();
}

int ibv_get_async_event(struct ibv_context *context, struct ibv_async_event *event) {
  if (!fake_is(context)) return REAL(ibv_get_async_event)(context, event);
  uint64_t one;
  if (read(context->async_fd, &one, sizeof one) != sizeof one) return -1;
  LOCKED;
  event->event_type = (enum ibv_event_type)(pending_async >> 48);
  struct fake_qp *pair = fake_qp_numbered((uint32_t)pending_async);
  if (pair)
    event->element.qp = &pair->qp;
  else
    event->element.port_num = (int)(pending_async >> 40 & 0xff);
  return 0;
}

void ibv_ack_async_event(struct ibv_async_event *event) {
  if (!fake_enabled) REAL(ibv_ack_async_event)(event);
}
