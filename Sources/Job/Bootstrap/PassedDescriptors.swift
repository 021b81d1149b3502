import Glibc

/// Descriptors on their way through a message. Owned ones are closed with the last reference,
/// unless somebody took them out, so that no path through an error leaks any.
///
/// Used by one thread at a time: a message is made, passed on and taken apart by whoever holds it.
final class PassedDescriptors {
  private(set) var numbers: [Int32]
  private let isOwned: Bool

  init() {
    numbers = []
    isOwned = true
  }

  private init(_ numbers: [Int32], isOwned: Bool) {
    self.numbers = numbers
    self.isOwned = isOwned
  }

  deinit {
    if isOwned { for number in numbers { close(number) } }
  }

  static func owned(_ numbers: [Int32]) -> PassedDescriptors {
    PassedDescriptors(numbers, isOwned: true)
  }

  /// The caller keeps them open for as long as the message lives, and closes them.
  static func borrowed(_ numbers: [Int32]) -> PassedDescriptors {
    PassedDescriptors(numbers, isOwned: false)
  }

  func append(contentsOf more: some Sequence<Int32>) { numbers.append(contentsOf: more) }

  /// From now on the caller's.
  func take() -> [Int32] {
    defer { numbers = [] }
    return numbers
  }
}
