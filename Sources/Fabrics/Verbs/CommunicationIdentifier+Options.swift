import CVerbs
import Glibc

extension CommunicationIdentifier {
  /// Sets the type of service of the connection's packets: the IP header's traffic class on RoCE, the service
  /// level by the subnet manager's rules on InfiniBand. Before the address is resolved.
  public borrowing func setTypeOfService(_ value: Int) throws(VerbsError) {
    try setOption(RDMA_OPTION_ID_TOS, UInt8(clamping: value), "type of service \(value)")
  }

  /// Sets how long the connection waits for an acknowledgement: 4.096 us times 2 to this power, 1...31.
  /// Before connecting or accepting.
  public borrowing func setAcknowledgeTimeout(exponent: Int) throws(VerbsError) {
    try setOption(
      RDMA_OPTION_ID_ACK_TIMEOUT, UInt8(clamping: exponent), "acknowledge timeout exponent \(exponent)")
  }

  private borrowing func setOption(_ option: Int, _ value: UInt8, _ what: String) throws(VerbsError) {
    let raw = try raw("rdma_set_option")
    var value = value
    try checkErrno(
      rdma_set_option(raw, Int32(RDMA_OPTION_ID), Int32(option), &value, 1), "rdma_set_option", on: what)
  }
}
