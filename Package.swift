// swift-tools-version: 6.2
import PackageDescription

// Floor by floor, as docs/architecture.md draws them; arrows point down only, and within a floor to what stands before
// (Tests/ArchitectureTests). A target with fewer than five files has its reason beside it, but for those that begin with C,
// which are C (SwiftPM does not mix languages in a target), and for programs.
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
    .target(
      name: "CPlatform", path: "Sources/Machine/CPlatform",
      cSettings: [.define("MERINO_INJECTION", injection)]),
    .target(
      name: "Platform", dependencies: ["CPlatform"], path: "Sources/Machine/Platform",
      swiftSettings: [.define("MERINO_INJECTION", injection)]),

    // One-sided operations, and who provides them. The interface by itself: the protocol knows no provider.
    .target(name: "Fabric", dependencies: ["Platform"], path: "Sources/Fabrics/Fabric"),
    .target(
      name: "HostFabric", dependencies: ["CPlatform", "Fabric", "Platform"],
      path: "Sources/Fabrics/HostFabric"),

    // RDMA by itself: Swift types over libibverbs and librdmacm, which know nothing of shared memory.
    .systemLibrary(
      name: "CVerbs", path: "Sources/Fabrics/CVerbs", pkgConfig: "librdmacm",
      providers: [.apt(["libibverbs-dev", "librdmacm-dev"])]),
    .target(name: "Verbs", dependencies: ["CVerbs"], path: "Sources/Fabrics/Verbs"),
    .target(
      name: "VerbsFabric", dependencies: ["CPlatform", "Fabric", "Platform", "Verbs"],
      path: "Sources/Fabrics/VerbsFabric"),

    // Which of the two a process runs over. One file: above both providers, and below the protocol.
    .target(
      name: "NodeFabric", dependencies: ["Fabric", "HostFabric", "VerbsFabric"],
      path: "Sources/Fabrics/NodeFabric"),

    // The protocol.
    .target(
      name: "Coherence", dependencies: ["CPlatform", "Fabric", "Platform"], path: "Sources/Protocol/Coherence"
    ),

    // This process: which addresses are shared, what happens when one faults, who is in the job.
    .target(name: "CFaultHandler", path: "Sources/Process/CFaultHandler"),
    .target(
      name: "Node",
      dependencies: ["CFaultHandler", "CPlatform", "Coherence", "Fabric", "NodeFabric", "Platform"],
      path: "Sources/Process/Node"),
    .target(name: "CBootstrap", path: "Sources/Job/CBootstrap"),
    .target(
      name: "Bootstrap", dependencies: ["CBootstrap", "CPlatform", "Platform"], path: "Sources/Job/Bootstrap"),
    .target(name: "Heap", dependencies: ["Platform"], path: "Sources/Merino/Heap"),

    // What people import.
    .target(
      name: "Merino",
      dependencies: [
        "Bootstrap", "CPlatform", "Coherence", "Fabric", "Heap", "HostFabric", "Node", "NodeFabric",
        "Platform",
        "VerbsFabric",
      ], path: "Sources/Merino/Merino"),
    .target(name: "SystemV", dependencies: ["Merino"], path: "Sources/Merino/SystemV"),
    // merino.h, and what programs in C call. More than headers, and not renamed: who depends on the product MerinoC can
    // import this module, too, as every one below a product.
    .target(name: "CMerino", path: "Sources/Merino/CMerino"),
    .target(
      name: "MerinoC", dependencies: ["CMerino", "Merino", "Node", "SystemV"],
      path: "Sources/Merino/MerinoC",
      swiftSettings: [.define("MERINO_INJECTION", injection)]),

    // Tools.
    .target(name: "CDoctor", path: "Sources/Tools/CDoctor"),
    .target(
      name: "Doctor",
      dependencies: [
        "BenchmarkSupport", "Bootstrap", "CDoctor", "CPlatform", "HostFabric", "Merino", "Node", "Platform",
        "Verbs",
      ], path: "Sources/Tools/Doctor"),
    .executableTarget(
      name: "MerinoTool",
      dependencies: [
        "Benchmarks", "Bootstrap", "CBootstrap", "CPlatform", "Doctor", "Merino", "Platform", argumentParser,
      ], path: "Sources/Tools/MerinoTool"),

    // Benchmarks: what Merino's steps and the plain operations below them take.
    .target(name: "CFaultFloor", path: "Sources/Benchmarks/CFaultFloor"),
    .target(
      name: "BenchmarkSupport", dependencies: ["CFaultFloor"],
      path: "Sources/Benchmarks/BenchmarkSupport"),
    // The plain verbs' operations. By itself: it must not link what it is compared with.
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
      dependencies: ["CFaultProbe", "CPlatform", "Coherence", "Node", "Platform"],
      path: "Tests/FaultProbe"),
    .testTarget(
      name: "AddressSpaceTests",
      dependencies: ["CPlatform", "Coherence", "FaultProbe", "Node", "Platform"]),
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
        "ApiProbe", "Coherence", "Fabric", "HostFabric", "Merino", "Node", "NodeFabric", "Platform",
        "VerbsFabric",
      ]),
    .target(name: "CFakeProvider", path: "Tests/CFakeProvider"),
    // By itself: in a target with annotated functions the macros of the tests do not compile.
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
