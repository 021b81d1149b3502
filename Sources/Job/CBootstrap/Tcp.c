#define _GNU_SOURCE
#include "CBootstrap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int close_and_fail(int descriptor) {
  int error = errno;
  close(descriptor);
  errno = error;
  return -1;
}

static int listen_at(const struct addrinfo *address, int backlog) {
  int listener = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listener < 0) return -1;
  int on = 1, off = 0;
  // A job that follows another at the same port need not wait for the old connections to be forgotten.
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  // The address that stands for all: of IPv4 as well.
  if (address->ai_family == AF_INET6) setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (bind(listener, address->ai_addr, address->ai_addrlen) != 0) return close_and_fail(listener);
  if (listen(listener, backlog) != 0) return close_and_fail(listener);
  return listener;
}

int cbootstrap_tcp_listen(const char *host, const char *port, int backlog, const char **name_error) {
  struct addrinfo wanted = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM,
                            .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
  struct addrinfo *found = NULL;
  *name_error = NULL;
  int code = getaddrinfo(host, port, &wanted, &found);
  if (code != 0) {
    *name_error = gai_strerror(code);
    return -1;
  }
  int listener = -1;
  // Where no host is given, "all addresses" of IPv6 first: it takes IPv4 along.
  for (int pass = host == NULL ? 0 : 1; pass < 2 && listener < 0; pass++)
    for (struct addrinfo *each = found; each != NULL && listener < 0; each = each->ai_next)
      if (pass == 1 || each->ai_family == AF_INET6) listener = listen_at(each, backlog);
  int error = errno;
  freeaddrinfo(found);
  errno = error;
  return listener;
}

int cbootstrap_tcp_port(int listener) {
  struct sockaddr_storage address;
  socklen_t size = sizeof address;
  if (getsockname(listener, (struct sockaddr *)&address, &size) != 0) return -1;
  if (address.ss_family == AF_INET6) return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
  return ntohs(((struct sockaddr_in *)&address)->sin_port);
}

static int64_t now_milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int connect_to(const struct addrinfo *address, int timeout_milliseconds) {
  int connection = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (connection < 0) return -1;
  if (connect(connection, address->ai_addr, address->ai_addrlen) != 0) {
    if (errno != EINPROGRESS && errno != EINTR) return close_and_fail(connection);
    int64_t due = now_milliseconds() + timeout_milliseconds;
    struct pollfd entry = {.fd = connection, .events = POLLOUT};
    int ready;
    do {
      int64_t left = due - now_milliseconds();
      ready = poll(&entry, 1, left > 0 ? (int)left : 0);
    } while (ready < 0 && errno == EINTR);
    if (ready == 0) errno = ETIMEDOUT;
    if (ready <= 0) return close_and_fail(connection);
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(connection, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
      errno = error;
      return close_and_fail(connection);
    }
  }
  return connection;
}

int cbootstrap_tcp_connect(const char *host, const char *port, int timeout_milliseconds,
                           const char **name_error) {
  struct addrinfo wanted = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
  struct addrinfo *found = NULL;
  *name_error = NULL;
  int code = getaddrinfo(host, port, &wanted, &found);
  if (code != 0) {
    *name_error = gai_strerror(code);
    return -1;
  }
  int connection = -1;
  for (struct addrinfo *each = found; each != NULL && connection < 0; each = each->ai_next)
    connection = connect_to(each, timeout_milliseconds);
  int error = errno;
  freeaddrinfo(found);
  errno = error;
  return connection;
}

int cbootstrap_tcp_watch(int connection, int bounds_sending) {
  // Silence is looked into after 5 s, every second, and fifteen looks without an answer are the end: 20 s.
  // Many looks, since a link that loses packets loses some of them; and a host that is overloaded, or a
  // switch that starts anew, may be silent for longer than a few seconds and is not dead.
  int on = 1, idle_seconds = 5, interval_seconds = 1, count = 15;
  unsigned int unanswered_milliseconds = 20000;
  if (setsockopt(connection, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) != 0) return -1;
  if (setsockopt(connection, IPPROTO_TCP, TCP_KEEPIDLE, &idle_seconds, sizeof idle_seconds) != 0) return -1;
  if (setsockopt(connection, IPPROTO_TCP, TCP_KEEPINTVL, &interval_seconds, sizeof interval_seconds) != 0)
    return -1;
  if (setsockopt(connection, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count) != 0) return -1;
  if (setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) return -1;
  if (!bounds_sending) return 0;
  return setsockopt(connection, IPPROTO_TCP, TCP_USER_TIMEOUT, &unanswered_milliseconds,
                    sizeof unanswered_milliseconds);
}

int cbootstrap_tcp_peer(int connection, char *text, size_t size) {
  struct sockaddr_storage address;
  socklen_t length = sizeof address;
  char host[NI_MAXHOST], port[NI_MAXSERV];
  if (getpeername(connection, (struct sockaddr *)&address, &length) != 0) return -1;
  if (getnameinfo((struct sockaddr *)&address, length, host, sizeof host, port, sizeof port,
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    errno = EINVAL;
    return -1;
  }
  snprintf(text, size, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
  return 0;
}

/// Beyond loopback and the addresses that only a link knows.
static int is_reachable(const struct ifaddrs *each) {
  if (each->ifa_addr == NULL || !(each->ifa_flags & IFF_UP) || each->ifa_flags & IFF_LOOPBACK) return 0;
  if (each->ifa_addr->sa_family == AF_INET) return 1;
  if (each->ifa_addr->sa_family != AF_INET6) return 0;
  return !IN6_IS_ADDR_LINKLOCAL(&((struct sockaddr_in6 *)each->ifa_addr)->sin6_addr);
}

int cbootstrap_local_addresses(char *text, size_t size) {
  struct ifaddrs *all;
  if (getifaddrs(&all) != 0) return -1;
  size_t used = 0;
  text[0] = 0;
  for (int family = AF_INET;; family = AF_INET6) {
    for (struct ifaddrs *each = all; each != NULL; each = each->ifa_next) {
      if (!is_reachable(each) || each->ifa_addr->sa_family != family) continue;
      char host[INET6_ADDRSTRLEN];
      const void *address = family == AF_INET ? (void *)&((struct sockaddr_in *)each->ifa_addr)->sin_addr
                                              : (void *)&((struct sockaddr_in6 *)each->ifa_addr)->sin6_addr;
      if (inet_ntop(family, address, host, sizeof host) == NULL) continue;
      int length = snprintf(text + used, size - used, "%s\n", host);
      // What does not fit is left out: the ones before will do.
      if (length < 0 || (size_t)length >= size - used) {
        text[used] = 0;
        break;
      }
      used += (size_t)length;
    }
    if (family == AF_INET6) break;
  }
  freeifaddrs(all);
  return 0;
}
