import CVerbs

extension Context {
  /// Whether the device can register memory without pinning it (on-demand paging).
  public func hasOnDemandPaging() throws(VerbsError) -> Bool {
    var attributes = ibv_device_attr_ex()
    try check(
      cverbs_query_device_extended(pointer, &attributes), "ibv_query_device_ex", on: "device \(deviceName)")
    return attributes.odp_caps.general_caps & UInt64(cverbs_odp_support) != 0
  }
}
