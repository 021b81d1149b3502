import Bootstrap
import CPlatform
import Coherence
import Glibc
import Node
import Platform

/// The files of this node's memory that peers map, and its private state.
final class NodeFiles: Sendable {
  let control: Int32
  let frames: Int32
  nonisolated(unsafe) let controlMemory: UnsafeMutableRawPointer
  nonisolated(unsafe) let frameMemory: UnsafeMutableRawPointer
  nonisolated(unsafe) let localMemory: UnsafeMutableRawPointer
  let controlByteCount: Int
  let frameByteCount: Int
  let localByteCount: Int
  /// Of the private memory, what `KnownHandles` has; behind the engine's.
  nonisolated(unsafe) let handleMemory: UnsafeMutableRawPointer

  init(_ configuration: Configuration, _ layout: ControlLayout) throws(MerinoError) {
    controlByteCount = layout.byteCount
    frameByteCount = configuration.capacityByteCount
    localByteCount = Self.localByteCount(configuration)
    do throws(SystemError) {
      let controlFile = try SharedMemoryFile(named: "merino-control", byteCount: controlByteCount)
      let frameFile = try SharedMemoryFile(named: "merino-frames", byteCount: frameByteCount)
      let mapped = try Self.map(controlFile, frameFile, localByteCount)
      controlMemory = mapped.control
      frameMemory = mapped.frames
      localMemory = mapped.local
      handleMemory = localMemory + NodeEngine.localByteCount(configuration)
      control = dup(controlFile.descriptor)
      frames = dup(frameFile.descriptor)
      try controlFile.close()
      try frameFile.close()
    } catch {
      let isMemory = error.code == ENOMEM
      throw MerinoError(
        isMemory ? .outOfMemory : .system,
        error.description + (isMemory ? " MERINO_CAPACITY sets how much is mapped." : ""))
    }
    _ = fcntl(control, F_SETFD, FD_CLOEXEC)
    _ = fcntl(frames, F_SETFD, FD_CLOEXEC)
  }

  /// Bytes of a node's private memory: the engine's state, whole pages, and the handles that it knows.
  static func localByteCount(_ c: Configuration) -> Int {
    NodeEngine.localByteCount(c) + KnownHandles.byteCount(c)
  }

  /// The three mappings, or none.
  private static func map(
    _ controlFile: borrowing SharedMemoryFile, _ frameFile: borrowing SharedMemoryFile, _ localByteCount: Int
  ) throws(SystemError) -> (
    control: UnsafeMutableRawPointer, frames: UnsafeMutableRawPointer, local: UnsafeMutableRawPointer
  ) {
    let control = try controlFile.mapSystemView()
    do throws(SystemError) {
      let frames = try frameFile.mapSystemView()
      do throws(SystemError) {
        return (control, frames, try mapPrivate(localByteCount))
      } catch {
        frameFile.unmapSystemView(frames)
        throw error
      }
    } catch {
      controlFile.unmapSystemView(control)
      throw error
    }
  }

  private static func mapPrivate(_ byteCount: Int) throws(SystemError) -> UnsafeMutableRawPointer {
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
    guard !isAllocationRefused(),
      let memory = mmap(nil, byteCount, PROT_READ | PROT_WRITE, flags, -1, 0), memory != MAP_FAILED
    else {
      throw SystemError(
        attempt: "map \(byteCount) bytes for the state of the pages", call: "mmap",
        advice: "set MERINO_CAPACITY to less on all nodes, or allow overcommit (vm.overcommit_memory)")
    }
    return memory
  }

  /// After it nothing of the library may touch shared memory any more.
  func unmap() {
    munmap(controlMemory, controlByteCount)
    munmap(frameMemory, frameByteCount)
    munmap(localMemory, localByteCount)
    close(control)
    close(frames)
  }
}
