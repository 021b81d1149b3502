#define _GNU_SOURCE
#include "CBootstrap.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int unix_address(const char *path, struct sockaddr_un *address) {
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  size_t length = strlen(path);
  if (length >= sizeof address->sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy(address->sun_path, path, length);
  // The whole address counts, zeros included, so both sides have the same name.
  if (path[0] == '@') address->sun_path[0] = '\0';
  return 0;
}

static int close_and_fail(int descriptor) {
  int error = errno;
  close(descriptor);
  errno = error;
  return -1;
}

int cbootstrap_listen(const char *path, int backlog) {
  struct sockaddr_un address;
  if (unix_address(path, &address) != 0) return -1;
  int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listener < 0) return -1;
  if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0) return close_and_fail(listener);
  if (listen(listener, backlog) != 0) return close_and_fail(listener);
  return listener;
}

int cbootstrap_connect(const char *path) {
  struct sockaddr_un address;
  if (unix_address(path, &address) != 0) return -1;
  int connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connection < 0) return -1;
  // A connect to a Unix socket either happens or does not: after EINTR it is made again.
  while (connect(connection, (struct sockaddr *)&address, sizeof address) != 0)
    if (errno != EINTR) return close_and_fail(connection);
  return connection;
}

int cbootstrap_accept(int listener) {
  return accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

int cbootstrap_event_pair(int descriptors[2]) {
  return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, descriptors);
}

static int option_is(int descriptor, int name, int wanted) {
  int value = 0;
  socklen_t size = sizeof value;
  return getsockopt(descriptor, SOL_SOCKET, name, &value, &size) == 0 && value == wanted;
}

int cbootstrap_is_local_stream(int descriptor) {
  return option_is(descriptor, SO_DOMAIN, AF_UNIX) && option_is(descriptor, SO_TYPE, SOCK_STREAM) &&
         option_is(descriptor, SO_ACCEPTCONN, 0);
}

int cbootstrap_peer(int connection, pid_t *process, uid_t *user) {
  struct ucred credentials;
  socklen_t size = sizeof credentials;
  if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return -1;
  *process = credentials.pid;
  *user = credentials.uid;
  return 0;
}

typedef union {
  struct cmsghdr header;
  char bytes[CMSG_SPACE(sizeof(int) * CBOOTSTRAP_DESCRIPTORS_PER_MESSAGE)];
} control_buffer;

ssize_t cbootstrap_send(int connection, const void *bytes, size_t byte_count, const int *descriptors,
                        int descriptor_count, int flags) {
  struct iovec part = {(void *)bytes, byte_count};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  control_buffer control;
  if (descriptor_count > CBOOTSTRAP_DESCRIPTORS_PER_MESSAGE) {
    errno = EINVAL;
    return -1;
  }
  if (descriptor_count > 0) {
    size_t size = sizeof(int) * (size_t)descriptor_count;
    memset(&control, 0, sizeof control);
    message.msg_control = &control;
    message.msg_controllen = CMSG_SPACE(size);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(header), descriptors, size);
  }
  return sendmsg(connection, &message, flags | MSG_NOSIGNAL);
}

ssize_t cbootstrap_receive(int connection, void *bytes, size_t byte_count, int *descriptors,
                           int *descriptor_count, int *truncated, int flags) {
  struct iovec part = {bytes, byte_count};
  control_buffer control;
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                           .msg_controllen = sizeof control};
  *descriptor_count = 0;
  *truncated = 0;
  ssize_t received = recvmsg(connection, &message, flags | MSG_CMSG_CLOEXEC);
  if (received < 0) return -1;
  *truncated = (message.msg_flags & MSG_CTRUNC) != 0;
  for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header != NULL;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    size_t size = header->cmsg_len - CMSG_LEN(0);
    // One SCM_RIGHTS per recvmsg, no longer than the control buffer: it fits the caller's array.
    memcpy(descriptors + *descriptor_count, CMSG_DATA(header), size);
    *descriptor_count += (int)(size / sizeof(int));
  }
  return received;
}
