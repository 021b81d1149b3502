// The connection manager: identifiers of one process that find each other by port.
#include <arpa/inet.h>
#include <netinet/in.h>

#include "Fake.h"

struct fake_id {
  struct rdma_cm_id id;
  struct fake_id *peer;
  struct rdma_conn_param offer;
  int listening, connected;
};

struct fake_event {
  struct rdma_cm_event event;
  uint8_t data[256];
};

struct fake_events {
  struct rdma_event_channel channel;
  struct fake_event *queue[MOST];
  unsigned head, tail;
};

static struct fake_id *identifiers[MOST];
static struct ibv_context *context;  // lent to users of the connection manager
static int context_users;
static uint16_t next_port = 50000;

static void use_context(void) {
  LOCKED;
  if (context_users++ == 0) context = fake_open_first();
}

static void leave_context(void) {
  LOCKED;
  if (--context_users == 0) ibv_close_device(context);
}

struct ibv_context **rdma_get_devices(int *count) {
  if (!fake_enabled) return REAL(rdma_get_devices)(count);
  FAIL_POINTER("rdma_get_devices");
  struct ibv_context **list = calloc(2, sizeof *list);
  use_context();
  list[0] = context;
  *count = 1;
  fake_add(list, NULL, NULL, NULL);
  return list;
}

void rdma_free_devices(struct ibv_context **list) {
  if (!fake_is(list)) {
    REAL(rdma_free_devices)(list);
    return;
  }
  fake_remove(list);
  leave_context();
  free(list);
}

struct rdma_event_channel *rdma_create_event_channel(void) {
  if (!fake_enabled) return REAL(rdma_create_event_channel)();
  FAIL_POINTER("rdma_create_event_channel");
  struct fake_events *channel = calloc(1, sizeof *channel);
  channel->channel.fd = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
  fake_add(channel, NULL, NULL, NULL);
  return &channel->channel;
}

void rdma_destroy_event_channel(struct rdma_event_channel *channel) {
  if (!fake_is(channel)) {
    REAL(rdma_destroy_event_channel)(channel);
    return;
  }
  fake_remove(channel);
  close(channel->fd);
  free(channel);
}

static void raise_event(
    struct fake_id *to, struct fake_id *listener, enum rdma_cm_event_type type, int status,
    const struct rdma_conn_param *parameters) {
  LOCKED;
  struct fake_event *event = calloc(1, sizeof *event);
  event->event.id = &to->id;
  event->event.listen_id = listener ? &listener->id : NULL;
  event->event.event = type;
  event->event.status = status;
  if (parameters && parameters->private_data_len) {
    memcpy(event->data, parameters->private_data, parameters->private_data_len);
    event->event.param.conn.private_data = event->data;
    event->event.param.conn.private_data_len = parameters->private_data_len;
  }
  if (parameters) {
    // Named from the receiver's side, as librdmacm does.
    event->event.param.conn.responder_resources = parameters->initiator_depth;
    event->event.param.conn.initiator_depth = parameters->responder_resources;
  }
  fake_add(event, &to->id, NULL, NULL);
  struct fake_events *channel = (struct fake_events *)to->id.channel;
  channel->queue[channel->tail++ % MOST] = event;
  uint64_t one = 1;
  if (write(channel->channel.fd, &one, sizeof one) < 0) abort();
}

int rdma_get_cm_event(struct rdma_event_channel *from, struct rdma_cm_event **event) {
  if (!fake_is(from)) return REAL(rdma_get_cm_event)(from, event);
  uint64_t one;
  if (read(from->fd, &one, sizeof one) != sizeof one) return -1;
  LOCKED;
  struct fake_events *channel = (struct fake_events *)from;
  *event = &channel->queue[channel->head++ % MOST]->event;
  return 0;
}

int rdma_ack_cm_event(struct rdma_cm_event *event) {
  if (!fake_is(event)) return REAL(rdma_ack_cm_event)(event);
  fake_remove(event);
  free(event);
  return 0;
}

static struct fake_id *make(struct rdma_event_channel *channel) {
  struct fake_id *made = calloc(1, sizeof *made);
  made->id.channel = channel;
  use_context();
  fake_add(made, channel, NULL, NULL);
  fake_replace(identifiers, NULL, made);
  return made;
}

int rdma_create_id(
    struct rdma_event_channel *channel, struct rdma_cm_id **id, void *tag, enum rdma_port_space space) {
  if (!fake_is(channel)) return REAL(rdma_create_id)(channel, id, tag, space);
  FAIL_ERRNO("rdma_create_id");
  *id = &make(channel)->id;
  return 0;
}

static void part(struct fake_id *one) {
  struct fake_id *other = one->peer;
  if (!other) return;
  one->peer = other->peer = NULL;
  int answered = one->connected;
  one->connected = other->connected = 0;
  if (one->id.qp) fake_flush((struct fake_qp *)one->id.qp);
  if (other->id.qp) fake_flush((struct fake_qp *)other->id.qp);
  if (answered)
    raise_event(other, NULL, RDMA_CM_EVENT_DISCONNECTED, 0, NULL);
  else
    raise_event(other, NULL, RDMA_CM_EVENT_REJECTED, 28, NULL);
}

/// Events of an identifier that nobody has read yet go with it, as in the kernel.
static void drop_events(struct fake_id *of) {
  struct fake_events *channel = (struct fake_events *)of->id.channel;
  unsigned kept = channel->head;
  for (unsigned i = channel->head; i != channel->tail; i++) {
    struct fake_event *event = channel->queue[i % MOST];
    if (event->event.id != &of->id) {
      channel->queue[kept++ % MOST] = event;
      continue;
    }
    uint64_t one;
    if (read(channel->channel.fd, &one, sizeof one) < 0) abort();
    fake_remove(event);
    free(event);
  }
  channel->tail = kept;
}

int rdma_destroy_id(struct rdma_cm_id *id) {
  if (!fake_is(id)) return REAL(rdma_destroy_id)(id);
  FAIL_ERRNO("rdma_destroy_id");
  LOCKED;
  struct fake_id *closing = (struct fake_id *)id;
  part(closing);
  drop_events(closing);
  fake_replace(identifiers, closing, NULL);
  fake_remove(closing);
  leave_context();
  free(closing);
  return 0;
}

static uint16_t port_of(struct sockaddr *address) {
  return ntohs(((struct sockaddr_in *)(void *)address)->sin_port);
}

int rdma_bind_addr(struct rdma_cm_id *id, struct sockaddr *address) {
  if (!fake_is(id)) return REAL(rdma_bind_addr)(id, address);
  FAIL_ERRNO("rdma_bind_addr");
  LOCKED;
  // The device's own address, from documentation's network, binds to it.
  if (((struct sockaddr_in *)(void *)address)->sin_addr.s_addr == inet_addr("192.0.2.1")) {
    id->verbs = context;
    id->port_num = 1;
  }
  memcpy(&id->route.addr.src_addr, address, sizeof(struct sockaddr_in));
  struct sockaddr_in *bound = &id->route.addr.src_sin;
  if (bound->sin_port == 0) bound->sin_port = htons(next_port++);
  return 0;
}

static int options[8] = {-1, -1, -1, -1, -1, -1, -1, -1};

int cfake_option(int option) { return options[option]; }

int rdma_set_option(struct rdma_cm_id *id, int level, int option, void *value, size_t length) {
  if (!fake_is(id)) return REAL(rdma_set_option)(id, level, option, value, length);
  FAIL_ERRNO("rdma_set_option");
  if (level != RDMA_OPTION_ID || option < 0 || option > 7 || length != 1) {
    errno = ENOSYS;
    return -1;
  }
  options[option] = *(uint8_t *)value;
  return 0;
}

int rdma_listen(struct rdma_cm_id *id, int backlog) {
  if (!fake_is(id)) return REAL(rdma_listen)(id, backlog);
  LOCKED;
  for (int i = 0; i < MOST; i++)
    if (identifiers[i] && identifiers[i]->listening &&
        port_of(&identifiers[i]->id.route.addr.src_addr) == port_of(&id->route.addr.src_addr)) {
      errno = EADDRINUSE;
      return -1;
    }
  ((struct fake_id *)id)->listening = 1;
  return 0;
}

int rdma_resolve_addr(struct rdma_cm_id *id, struct sockaddr *from, struct sockaddr *to, int timeout) {
  if (!fake_is(id)) return REAL(rdma_resolve_addr)(id, from, to, timeout);
  FAIL_ERRNO("rdma_resolve_addr");
  memcpy(&id->route.addr.dst_addr, to, sizeof(struct sockaddr_in));
  id->verbs = context;
  id->port_num = 1;
  raise_event((struct fake_id *)id, NULL, RDMA_CM_EVENT_ADDR_RESOLVED, 0, NULL);
  return 0;
}

int rdma_resolve_route(struct rdma_cm_id *id, int timeout) {
  if (!fake_is(id)) return REAL(rdma_resolve_route)(id, timeout);
  raise_event((struct fake_id *)id, NULL, RDMA_CM_EVENT_ROUTE_RESOLVED, 0, NULL);
  return 0;
}

int rdma_create_qp(struct rdma_cm_id *id, struct ibv_pd *domain, struct ibv_qp_init_attr *init) {
  if (!fake_is(id)) return REAL(rdma_create_qp)(id, domain, init);
  FAIL_ERRNO("rdma_create_qp");
  if (!domain || domain->context != id->verbs) {
    errno = EINVAL;
    return -1;
  }
  id->qp = ibv_create_qp(domain, init);
  if (!id->qp) return -1;
  id->qp->state = IBV_QPS_INIT;
  ((struct fake_qp *)id->qp)->attr.qp_access_flags = 15;
  return 0;
}

int rdma_connect(struct rdma_cm_id *id, struct rdma_conn_param *parameters) {
  if (!fake_is(id)) return REAL(rdma_connect)(id, parameters);
  FAIL_ERRNO("rdma_connect");
  LOCKED;
  struct fake_id *from = (struct fake_id *)id;
  from->offer = *parameters;
  for (int i = 0; i < MOST; i++) {
    struct fake_id *listener = identifiers[i];
    if (!listener || !listener->listening) continue;
    if (port_of(&listener->id.route.addr.src_addr) != port_of(&id->route.addr.dst_addr)) continue;
    struct fake_id *child = make(listener->id.channel);
    child->id.verbs = context;
    child->id.port_num = 1;
    child->peer = from;
    from->peer = child;
    raise_event(child, listener, RDMA_CM_EVENT_CONNECT_REQUEST, 0, parameters);
    return 0;
  }
  raise_event(from, NULL, RDMA_CM_EVENT_REJECTED, 8, NULL);  // no such service
  return 0;
}

static uint8_t least(uint8_t one, uint8_t other) { return one < other ? one : other; }

static void join(struct fake_id *one, struct fake_id *other, uint8_t depth, uint8_t served) {
  one->connected = 1;
  if (!one->id.qp || !other->id.qp) return;
  struct fake_qp *pair = (struct fake_qp *)one->id.qp;
  pair->attr.dest_qp_num = other->id.qp->qp_num;
  pair->attr.max_rd_atomic = depth;
  pair->attr.max_dest_rd_atomic = served;
  pair->attr.path_mtu = IBV_MTU_1024;
  pair->qp.state = IBV_QPS_RTS;
}

int rdma_accept(struct rdma_cm_id *id, struct rdma_conn_param *parameters) {
  if (!fake_is(id)) return REAL(rdma_accept)(id, parameters);
  FAIL_ERRNO("rdma_accept");
  LOCKED;
  struct fake_id *here = (struct fake_id *)id, *there = here->peer;
  if (!there) {
    errno = EINVAL;
    return -1;
  }
  uint8_t out = least(parameters->initiator_depth, there->offer.responder_resources);
  uint8_t in = least(parameters->responder_resources, there->offer.initiator_depth);
  join(here, there, out, in);
  join(there, here, in, out);
  raise_event(there, NULL, RDMA_CM_EVENT_ESTABLISHED, 0, parameters);
  raise_event(here, NULL, RDMA_CM_EVENT_ESTABLISHED, 0, NULL);
  return 0;
}

int rdma_reject(struct rdma_cm_id *id, const void *data, uint8_t length) {
  if (!fake_is(id)) return REAL(rdma_reject)(id, data, length);
  LOCKED;
  struct fake_id *here = (struct fake_id *)id, *there = here->peer;
  if (!there) {
    errno = EINVAL;
    return -1;
  }
  here->peer = there->peer = NULL;
  struct rdma_conn_param parameters = {.private_data = data, .private_data_len = length};
  raise_event(there, NULL, RDMA_CM_EVENT_REJECTED, 28, &parameters);
  return 0;
}

int rdma_disconnect(struct rdma_cm_id *id) {
  if (!fake_is(id)) return REAL(rdma_disconnect)(id);
  LOCKED;
  struct fake_id *here = (struct fake_id *)id;
  if (!here->connected) {
    errno = EINVAL;
    return -1;
  }
  part(here);
  raise_event(here, NULL, RDMA_CM_EVENT_DISCONNECTED, 0, NULL);
  return 0;
}
