// FaultProbe SCENARIO: joins as small as can be (frames, views, handler) and lets an application written in C
// fault. Ends with 0 where the scenario went as it should, by a signal where that is the scenario.
import CFaultProbe
import Coherence
import Glibc
import Node
import Platform

let byteCount = 256 * 4096

func join() throws -> (SharedAddressSpace, probe_views) {
  let frames = try SharedMemoryFile(named: "merino-probe", byteCount: byteCount)
  let base = AddressReservation.candidates(byteCount: byteCount).first {
    AddressReservation.isFree($0..<$0 + UInt(byteCount))
  }
  let reservation = try AddressReservation(base: base ?? 0, byteCount: byteCount)
  let space = try SharedAddressSpace(frames: dup(frames.descriptor), reservation: reservation)
  func attach(_ address: UInt?, _ limit: Access) throws -> UnsafeMutablePointer<CChar>? {
    UnsafeMutablePointer(bitPattern: try space.attach(0..<byteCount, at: address, limit: limit).address)
  }
  let elsewhere = space.base + 1 << 30
  let views = probe_views(
    writable: try attach(nil, .readWrite), alias: try attach(elsewhere, .readWrite),
    readonly: try attach(elsewhere + 2 * UInt(byteCount), .read),
    frames: try frames.mapSystemView().assumingMemoryBound(to: CChar.self), bytes: byteCount)
  return (space, views)
}

func installService(_ space: SharedAddressSpace) throws {
  let counter = UnsafeMutableRawPointer.allocate(byteCount: 8, alignment: 8)
  AtomicWord(counter).store(0)
  let service = UnsafeMutablePointer<ProbeService>.allocate(capacity: 1)
  service.initialize(to: ProbeService(protection: space.protection, counter: AtomicWord(counter)))
  serviceAddress = UInt(bitPattern: service)
  try FaultHandler.install(faultEntry)
}

let callbacks = probe_callbacks(
  forward: faultForward,
  uninstall: { FaultHandler.uninstall() ? 1 : 0 },
  install: { (try? FaultHandler.install(faultEntry)) == nil ? 1 : 0 },
  is_forked_child: { FaultHandler.isForkedChild ? 1 : 0 },
  faults_served: { Int(currentService().counter.load()) })

let scenario = CommandLine.arguments.count > 1 ? CommandLine.arguments[1] : ""
if let limit = LimitScenario(rawValue: scenario) {
  let failure = try limit.run()
  if let failure { print("FaultProbe: \(scenario): \(failure)") }
  exit(failure == nil ? 0 : 1)
}
guard probe_before(scenario) == 0 else {
  print("usage: FaultProbe SCENARIO [DIRECTORY]; there is no scenario '\(scenario)'")
  exit(64)
}
if CommandLine.arguments.count > 2 { chdir(CommandLine.arguments[2]) }
let (space, views) = try join()
try installService(space)
let code = withUnsafePointer(to: views) { views in
  withUnsafePointer(to: callbacks) { probe_after(scenario, views, $0) }
}
withExtendedLifetime(space) { exit(code) }
