import Testing

@testable import Merino

/// The fields of a handle at their limits.
@Suite struct HandleTests {
  @Test func theLargestFieldsComeBack() {
    let handle = ObjectHandle(kind: .barrier, generation: 1 << 32 - 1, id: 1 << 24 - 1)
    #expect(handle.kind == .barrier)
    #expect(handle.generation == 1 << 32 - 1)
    #expect(handle.id == 1 << 24 - 1)
    #expect(
      ObjectHandle(kind: .lock, generation: 1, id: 0)
        != ObjectHandle(kind: .lock, generation: 1 << 24 + 1, id: 0))
  }

  @Test func aLargerNumberIsRefused() async {
    await #expect(processExitsWith: .failure) {
      _ = ObjectHandle(kind: .lock, generation: 1, id: 1 << 24)
    }
  }
}
