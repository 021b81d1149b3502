/// An events connection whose node has not said hello yet.
final class UnclaimedEvents {
  let token: [UInt8]
  let channel: MessageChannel
  var timer: EventLoop.Timer?
  init(_ token: [UInt8], _ channel: MessageChannel) {
    self.token = token
    self.channel = channel
  }
}
