import Glibc

/// The usual causes of failures, by verb and errno: what a user of a cluster looks up otherwise.
enum Advice {
  static func text(verb: String, reason: VerbsError.Reason) -> String {
    switch reason {
    case .system(let code): system(verb: verb, code: code)
    case .timedOut:
      "the peer does not answer: check that it runs and that the network carries RDMA between both hosts"
    case .connection(let event, let status): connection(event: event, status: status)
    case .invalidTransition:
      "a queue pair goes reset, initialized, ready to receive, ready to send, in this order"
    case .completion(let status, _): status.usualCause
    case .notFound, .noneUsable: ""
    }
  }

  private static func system(verb: String, code: Int32) -> String {
    switch (verb, code) {
    case ("ibv_reg_mr", ENOMEM), ("ibv_reg_mr", EAGAIN), ("ibv_create_qp", ENOMEM), ("ibv_create_cq", ENOMEM),
      ("rdma_create_qp", ENOMEM):
      memoryLock()
    case ("ibv_reg_mr", EFAULT):
      "the range is not mapped, or not writable while remote or local writes are asked for"
    case ("ibv_reg_mr", EINVAL):
      "remote write and remote atomic access need local write access too"
    case (_, EACCES), (_, EPERM):
      permissions(verb)
    case ("ibv_get_device_list", ENOSYS), ("rdma_create_event_channel", ENODEV),
      ("ibv_get_device_list", ENODEV), ("rdma_get_devices", ENODEV):
      "no RDMA device is known to the kernel: load the driver's modules (ib_uverbs, rdma_ucm and the "
        + "device's), or make a Soft-RoCE device with \"rdma link add rxe0 type rxe netdev eth0\""
    case ("rdma_create_event_channel", ENOENT): "load the kernel module rdma_ucm"
    case ("ibv_open_device", ENOENT):
      // The library answers so where it may not open the file, too (seen with rdma-core 44).
      "this user has no permission on the device's /dev/infiniband/uverbsN, or it is missing: in a "
        + "container, pass /dev/infiniband in"
    case ("ibv_create_qp", EINVAL), ("rdma_create_qp", EINVAL), ("ibv_create_cq", EINVAL):
      "a size is above the device's limit, or protection domain and completion queues are of different "
        + "devices (with librdmacm use the context that the identifier was bound to)"
    case ("ibv_modify_qp", EINVAL):
      "an attribute does not suit the port: the GID index has no entry, the path MTU is above the port's, or "
        + "more READs in flight than the device allows"
    case ("ibv_modify_qp", ENETUNREACH), ("ibv_modify_qp", EHOSTUNREACH), ("ibv_modify_qp", ETIMEDOUT):
      "the peer's address is not reachable from the chosen GID: use a GID of the same network (not a "
        + "link-local one across routers)"
    case ("rdma_resolve_addr", ENODEV), ("rdma_bind_addr", ENODEV), ("rdma_bind_addr", EADDRNOTAVAIL):
      "no RDMA device serves that address: give an address of the interface that the device stands on"
    case ("rdma_bind_addr", EADDRINUSE), ("rdma_listen", EADDRINUSE): "another process listens at that port"
    case (_, EBUSY): "something made from it is still open"
    default: ""
    }
  }

  private static func memoryLock() -> String {
    // RLIMIT_MEMLOCK is a macro that does not import; its value is 8 on every Linux.
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(8), &limit) == 0, limit.rlim_cur != rlim_t.max
    else { return "the device or the kernel is out of memory or of entries for regions" }
    return
      "the limit of locked memory is \(limit.rlim_cur / 1024) KiB (ulimit -l) and registered memory counts "
      + "against it: raise memlock in /etc/security/limits.conf, or LimitMEMLOCK of the batch system's daemon"
  }

  private static func permissions(_ verb: String) -> String {
    verb.hasPrefix("rdma_")
      ? "this user needs read and write permission on /dev/infiniband/rdma_cm"
      : "this user needs read and write permission on /dev/infiniband/uverbsN (group rdma on many systems)"
  }

  private static func connection(event: ConnectionEvent.Kind, status: Int32) -> String {
    switch event {
    case .rejected where status == 28: "the listening program refused the connection"
    case .rejected: "nothing listens at that address and port, or the listening program's queue is full"
    case .unreachable, .routeError:
      "the peer's address is not reachable over this device: check routes and cables"
    case .addressError:
      "no RDMA device leads to that address: check that it belongs to an interface with a device"
    case .deviceRemoval: "the device was removed"
    default: ""
    }
  }
}
