// swift-tools-version: 6.2
import PackageDescription

// One target per layer; arrows point down only (Tests/ArchitectureTests checks it).
// The library itself depends on no package; only the command-line tools use argument-parser.
let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

// Coroutines switch in the middle of functions, where Swift's dynamic exclusivity checks keep a list per thread
// of the system. Only the simulator's targets are compiled so; no product that others import depends on them
// (ci/check-package-flags).
let onCoroutines: [SwiftSetting] = [.unsafeFlags(["-enforce-exclusivity=unchecked"])]

// What makes a call's n-th use of something fail, for the tests: in debug builds only (ci/check-library).
let injection = BuildSettingCondition.when(configuration: .debug)

let package = Package(
  name: "Merino",
  products: [
    .library(name: "Merino", targets: ["Merino"]),
    .library(name: "Verbs", targets: ["Verbs"]),
    .library(name: "MerinoC", type: .dynamic, targets: ["MerinoC"]),
    .executable(name: "merino", targets: ["MerinoTool"]),
    .executable(name: "merino-simulate", targets: ["MerinoSimulate"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
  ],
  targets: [
    // The machine: system calls, atomics over raw memory, waiting.
    .target(name: "CPlatform", cSettings: [.define("MERINO_INJECTION", injection)]),
    .target(
      name: "Platform", dependencies: ["CPlatform"], swiftSettings: [.define("MERINO_INJECTION", injection)]),

    // One-sided operations, and who provides them.
    .target(name: "Fabric", dependencies: ["Platform"]),
    .target(name: "HostFabric", dependencies: ["CPlatform", "Fabric", "Platform"]),

    // RDMA by itself: Swift types over libibverbs and librdmacm, which know nothing of shared memory.
    .systemLibrary(
      name: "CVerbs", pkgConfig: "librdmacm", providers: [.apt(["libibverbs-dev", "librdmacm-dev"])]),
    .target(name: "Verbs", dependencies: ["CVerbs"]),
    .target(name: "VerbsFabric", dependencies: ["CPlatform", "Fabric", "Platform", "Verbs"]),

    // The protocol.
    .target(name: "Coherence", dependencies: ["CPlatform", "Fabric", "Platform"]),

    // This process: which addresses are shared, what happens when one faults, who is in the job.
    .target(name: "AddressSpace", dependencies: ["CPlatform", "Coherence", "Platform"]),
    .target(name: "CFaultHandler"),
    .target(
      name: "FaultHandler",
      dependencies: ["AddressSpace", "CFaultHandler", "CPlatform", "Coherence", "Platform"]),
    .target(name: "CBootstrap"),
    .target(name: "Bootstrap", dependencies: ["CBootstrap", "CPlatform", "Platform"]),
    .target(name: "Heap", dependencies: ["Platform"]),
    .target(
      name: "Node",
      dependencies: [
        "AddressSpace", "CPlatform", "Coherence", "Fabric", "HostFabric", "Platform", "VerbsFabric",
      ]),

    // What people import.
    .target(
      name: "Merino",
      dependencies: [
        "AddressSpace", "Bootstrap", "CPlatform", "Coherence", "Fabric", "FaultHandler", "Heap", "HostFabric",
        "Node", "Platform", "VerbsFabric",
      ]),
    .target(name: "SystemV", dependencies: ["Merino"]),
    .target(name: "CMerino"),
    .target(
      name: "MerinoC", dependencies: ["CMerino", "FaultHandler", "Merino", "SystemV"],
      swiftSettings: [.define("MERINO_INJECTION", injection)]),

    // Tools.
    .target(name: "CDoctor"),
    .target(
      name: "Doctor",
      dependencies: [
        "AddressSpace", "BenchmarkSupport", "Bootstrap", "CDoctor", "CPlatform", "HostFabric", "Merino",
        "Platform", "Verbs",
      ]),
    .executableTarget(
      name: "MerinoTool",
      dependencies: [
        "Benchmarks", "Bootstrap", "CBootstrap", "CPlatform", "Doctor", "Merino", "Platform", argumentParser,
      ]),

    // Benchmarks: what Merino's steps and the plain operations below them take.
    .target(name: "CFaultFloor", path: "Sources/Benchmarks/CFaultFloor"),
    .target(
      name: "BenchmarkSupport", dependencies: ["CFaultFloor"],
      path: "Sources/Benchmarks/BenchmarkSupport"),
    .target(
      name: "VerbsFloor", dependencies: ["BenchmarkSupport", "Verbs"],
      path: "Sources/Benchmarks/VerbsFloor"),
    .target(
      name: "Benchmarks", dependencies: ["BenchmarkSupport", "Merino", "VerbsFloor", argumentParser],
      path: "Sources/Benchmarks/Benchmarks",
      exclude: [
        "AtomicLatency/README.md", "BarrierLatency/README.md", "FetchBandwidth/README.md",
        "FetchLatency/README.md", "LockLatency/README.md", "ReleaseLatency/README.md",
        "WriteLatency/README.md",
      ]),

    .executableTarget(
      name: "JacobiExample", dependencies: ["Merino"], path: "Examples/Swift"),

    .executableTarget(name: "VerbsPing", dependencies: ["Verbs"], path: "Examples/Verbs"),

    // Simulation: the same engine, N nodes in one process, scheduled from a seed.
    .target(name: "CCoroutine", path: "Sources/Simulation/CCoroutine"),
    .target(
      name: "SimulatedFabric", dependencies: ["CCoroutine", "Fabric", "Platform"],
      path: "Sources/Simulation/SimulatedFabric", swiftSettings: onCoroutines),
    .target(
      name: "Simulation", dependencies: ["Coherence", "Fabric", "Platform", "SimulatedFabric"],
      path: "Sources/Simulation/Simulation", swiftSettings: onCoroutines),
    .executableTarget(
      name: "MerinoSimulate", dependencies: ["Coherence", "Simulation", argumentParser],
      path: "Sources/Simulation/MerinoSimulate"),

    // Tests.
    .testTarget(name: "PlatformTests", dependencies: ["Platform", "Fabric", "HostFabric"]),
    .testTarget(
      name: "CoherenceTests",
      dependencies: ["Coherence", "Fabric", "HostFabric", "Platform", "SimulatedFabric", "Simulation"],
      exclude: ["Examples/README.md"], swiftSettings: onCoroutines),
    .target(name: "CFaultProbe", path: "Tests/CFaultProbe"),
    .executableTarget(
      name: "FaultProbe",
      dependencies: ["AddressSpace", "CFaultProbe", "CPlatform", "Coherence", "FaultHandler", "Platform"],
      path: "Tests/FaultProbe"),
    .testTarget(
      name: "AddressSpaceTests",
      dependencies: ["AddressSpace", "CPlatform", "Coherence", "FaultProbe", "Platform"]),
    .executableTarget(
      name: "BootstrapProbe", dependencies: ["Bootstrap", "CBootstrap", "Platform"],
      path: "Tests/BootstrapProbe"),
    .testTarget(
      name: "BootstrapTests",
      dependencies: ["Bootstrap", "BootstrapProbe", "CBootstrap", "CPlatform", "MerinoTool"]),
    .executableTarget(
      name: "MerinoStress", dependencies: ["Merino", argumentParser], path: "Tests/Stress"),
    .executableTarget(name: "ApiProbe", dependencies: ["Merino"], path: "Tests/ApiProbe"),
    .testTarget(
      name: "MerinoTests",
      dependencies: [
        "ApiProbe", "Coherence", "Fabric", "HostFabric", "Merino", "Node", "Platform", "VerbsFabric",
      ]),
    .target(name: "CFakeProvider", path: "Tests/CFakeProvider"),
    .target(name: "VerbsHotPath", dependencies: ["Verbs"], path: "Tests/VerbsHotPath"),
    .testTarget(name: "VerbsTests", dependencies: ["CFakeProvider", "Verbs", "VerbsHotPath"]),
    .testTarget(
      name: "VerbsFabricTests",
      dependencies: ["CFakeProvider", "Coherence", "Fabric", "Platform", "Verbs", "VerbsFabric"]),
    .testTarget(name: "DoctorTests", dependencies: ["Doctor", "Verbs"]),
    .testTarget(name: "HeapTests", dependencies: ["Heap"]),
    .testTarget(name: "BenchmarkSupportTests", dependencies: ["BenchmarkSupport"]),
    .testTarget(name: "VerbsFloorTests", dependencies: ["CFakeProvider", "Verbs", "VerbsFloor"]),
    .testTarget(name: "ArchitectureTests"),
  ],
  swiftLanguageModes: [.v6]
)
