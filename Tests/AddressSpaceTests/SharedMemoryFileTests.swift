import Glibc
import Node
import Platform
import Testing

@Suite(.serialized, .timeLimit(.minutes(1)))
struct SharedMemoryFileTests {
  /// The kernel answers ftruncate beyond the limit with SIGXFSZ, which ends the process: the limit is looked
  /// at first.
  @Test func beyondTheLimitOfFileSizesIsAnError() throws {
    // RLIMIT_FSIZE is a macro that does not import; its value is 1 on every Linux.
    let fileSizes = __rlimit_resource_t(1)
    var before = rlimit()
    #expect(getrlimit(fileSizes, &before) == 0)
    var low = before
    low.rlim_cur = 1 << 20
    #expect(setrlimit(fileSizes, &low) == 0)
    defer { setrlimit(fileSizes, &before) }
    let error = #expect(throws: SystemError.self) {
      _ = try SharedMemoryFile(named: "merino-test", byteCount: 1 << 20 + 4096)
    }
    #expect(error?.code == EFBIG && error?.call == "ftruncate")
    #expect(error?.description.contains("raise the limit of file sizes (ulimit -f)") == true)
    let file = try SharedMemoryFile(named: "merino-test", byteCount: 1 << 20)
    #expect(file.byteCount == 1 << 20)
  }
}
