import Glibc
import Verbs

// RDMA devices: whether the kernel, the C library and this user have them, and what they can do.

extension Examination {
  /// How bad it is when a device or port does not do: it decides where it would be used, it is worth a word
  /// where nothing else would do, and it is no matter where another one is chosen or nobody wants RDMA.
  func weight(_ device: String? = nil, port: Int? = nil) -> State {
    if demand == .host { return .skip }
    guard let chosen = choice.chosen else { return demand == .verbs ? .fail : .warn }
    let isChosen = (device ?? chosen.device) == chosen.device && (port ?? chosen.port) == chosen.port
    return isChosen ? .fail : .skip
  }

  /// `weight`, for what works and could work better.
  func lightWeight(_ device: String, port: Int? = nil) -> State {
    weight(device, port: port) == .skip ? .skip : .warn
  }

  /// Names of the devices that the kernel has.
  var kernelDevices: [String] { host.entries(Host.infinibandClass) }

  func deviceFindings() -> [Finding] {
    var findings = [presenceFinding(), modulesFinding(), connectionManagerFinding()]
    for name in kernelDevices where !devices.contains(where: { $0.name == name }) {
      findings.append(unlistedFinding(name))
    }
    for device in devices {
      findings.append(permissionFinding(device))
      if case .opened(let attributes, _, let paging) = device.content {
        findings += [
          atomicsFinding(device.name, attributes), readsFinding(device.name, attributes),
          pagingFinding(device.name, paging),
        ]
      }
    }
    return findings
  }

  func presenceFinding() -> Finding {
    let name = "rdma.devices"
    if let devicesError {
      return Finding(
        name, weight(), devicesError.description,
        cure: "install ibverbs-providers (rdma-core), and look at /sys/class/infiniband")
    }
    if !devices.isEmpty { return .pass(name, devices.map(\.name).joined(separator: ", ")) }
    if !kernelDevices.isEmpty {
      return Finding(
        name, weight(),
        "the kernel has \(kernelDevices.joined(separator: ", ")), and libibverbs lists none of them",
        cure: "see the lines below")
    }
    let means = "no RDMA device: jobs stay on this host (fabric \"host\")"
    if let card = idleCard() {
      return Finding(
        name, weight(),
        "\(means), although there is a card (PCI \(card.address), vendor \(card.vendor)) without a driver "
          + "for RDMA",
        cure: card.vendor == "0x15b3"
          ? "modprobe mlx5_ib (mlx4_ib for ConnectX-3)" : "load its driver's RDMA module")
    }
    return Finding(
      name, weight(), means,
      cure:
        "install a device; or, in software and over Ethernet: modprobe rdma_rxe && rdma link add rxe0 type "
        + "rxe netdev eth0 (the package linux-modules-extra-$(uname -r) on Ubuntu)")
  }

  /// A network card that can do RDMA, where the kernel has no RDMA device.
  private func idleCard() -> (address: String, vendor: String)? {
    let path = "/sys/bus/pci/devices"
    for address in host.entries(path) {
      let kind = host.text("\(path)/\(address)/class") ?? ""
      let vendor = host.text("\(path)/\(address)/vendor") ?? ""
      // 0207: InfiniBand; Ethernet cards (0200) of Mellanox speak RoCE.
      if kind.hasPrefix("0x0207") || kind.hasPrefix("0x0200") && vendor == "0x15b3" {
        return (address, vendor)
      }
    }
    return nil
  }

  func modulesFinding() -> Finding {
    let name = "rdma.modules"
    // A module may be built in, where only what it does shows that it is there.
    let wanted = [
      ("ib_core", "/sys/class/infiniband"), ("ib_uverbs", "/sys/class/infiniband_verbs"),
      ("rdma_ucm", "/sys/class/misc/rdma_cm"),
    ]
    let loaded = Set(
      (host.text("/proc/modules") ?? "").split(separator: "\n").compactMap { $0.split(separator: " ").first }
        .map(String.init))
    let missing = wanted.filter { module, sign in
      !loaded.contains(module) && !host.exists("/sys/module/\(module)") && !host.exists(sign)
    }.map(\.0)
    if missing.isEmpty { return .pass(name, wanted.map(\.0).joined(separator: ", ")) }
    let found = "not loaded: " + missing.joined(separator: ", ")
    if kernelDevices.isEmpty && devices.isEmpty && demand != .verbs {
      return .skip(name, "\(found); there is no device for them")
    }
    return Finding(
      name, weight(), found,
      cure:
        "modprobe -a \(missing.joined(separator: " ")), and the same names in /etc/modules-load.d/rdma.conf")
  }

  /// A device that the kernel has and libibverbs does not list.
  func unlistedFinding(_ device: String) -> Finding {
    let name = "rdma.permissions"
    let node = host.verbsNode(of: device)
    if let node, !host.exists(node) {
      return Finding(
        name, weight(device), "\(device): \(node) is not there",
        cure: "in a container pass it in (docker run --device=/dev/infiniband); else udevadm trigger")
    }
    return Finding(
      name, weight(device), "\(device): libibverbs has no provider for it",
      cure: "apt-get install ibverbs-providers (the device's library and its file in /etc/libibverbs.d)")
  }

  func permissionFinding(_ device: RDMADevice) -> Finding {
    let name = "rdma.permissions"
    guard let node = host.verbsNode(of: device.name) else {
      return Finding(
        name, weight(device.name), "\(device.name): /sys/class/infiniband_verbs has no entry for it",
        cure: "modprobe ib_uverbs")
    }
    let code = host.openFailure(node)
    if code != 0 {
      return Finding(
        name, weight(device.name),
        "\(device.name): \(node) cannot be opened: \(String(cString: strerror(code)))",
        cure: Self.nodeCure(node, code))
    }
    if case .failed(let error) = device.content {
      return Finding(name, weight(device.name), "\(device.name): \(error)", cure: "dmesg may say more")
    }
    return .pass(name, "\(device.name): \(node) can be opened")
  }

  func connectionManagerFinding() -> Finding {
    let name = "rdma.connection_manager"
    let node = "/dev/infiniband/rdma_cm"
    if devices.isEmpty && kernelDevices.isEmpty && demand != .verbs {
      return .skip(name, "\(node) is not looked at: there is no device")
    }
    let code = host.openFailure(node)
    if code == 0 { return .pass(name, "\(node) can be opened") }
    if choice.chosen?.address.isIP == false || host.variable("MERINO_CONNECT") == "exchange" {
      return .skip(name, "\(node) cannot be opened, and is not needed: connections are made by LID and GID")
    }
    return Finding(
      name, weight(), "\(node) cannot be opened: \(String(cString: strerror(code)))",
      cure: code == ENOENT || code == ENODEV
        ? "modprobe rdma_ucm; in a container docker run --device=/dev/infiniband"
        : Self.nodeCure(node, code))
  }

  private static func nodeCure(_ node: String, _ code: Int32) -> String {
    switch code {
    case EACCES:
      "chmod a+rw \(node), for good by a udev rule: KERNEL==\"\(node.split(separator: "/").last ?? "")\", "
        + "MODE=\"0666\""
    case EPERM: "the container's device list forbids it: docker run --device=/dev/infiniband"
    case ENOENT: "in a container docker run --device=/dev/infiniband; else udevadm trigger"
    default: "dmesg may say more"
    }
  }

  func atomicsFinding(_ device: String, _ attributes: DeviceAttributes) -> Finding {
    let name = "rdma.atomics"
    let found = "\(device): atomics \(attributes.atomics)"
    if attributes.atomics != .none { return .pass(name, found) }
    return Finding(
      name, weight(device), "\(found): it has no compare-and-swap, and Merino's locks are made of it",
      cure:
        "use another device (MERINO_DEVICE), or another firmware or mode of this one; iWARP devices have none"
    )
  }

  func readsFinding(_ device: String, _ attributes: DeviceAttributes) -> Finding {
    let name = "rdma.reads_in_flight"
    let reads = min(attributes.maximumReadsAsInitiator, attributes.maximumReadsAsTarget)
    let found =
      "\(device): \(attributes.maximumReadsAsInitiator) as initiator, \(attributes.maximumReadsAsTarget) as "
      + "target (max_rd_atomic)"
    if reads >= 16 { return .pass(name, found) }
    let cure = "look for a newer firmware; a smaller number costs prefetching its speed"
    if reads == 0 { return Finding(name, weight(device), found, cure: "use another device (MERINO_DEVICE)") }
    return Finding(name, lightWeight(device), found, cure: cure)
  }

  func pagingFinding(_ device: String, _ hasPaging: Bool) -> Finding {
    .pass(
      "rdma.on_demand_paging",
      "\(device): \(hasPaging ? "there" : "not there"); Merino registers memory by chunk and does not need it"
    )
  }
}

extension Host {
  /// "/dev/infiniband/uverbs0".
  func verbsNode(of device: String) -> String? {
    let path = "/sys/class/infiniband_verbs"
    return entries(path).first { text("\(path)/\($0)/ibdev") == device }.map { "/dev/infiniband/\($0)" }
  }
}
