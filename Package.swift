// swift-tools-version: 6.2
import PackageDescription

// One target per layer; arrows point down only (Tests/ArchitectureTests checks it).
// The library itself depends on no package; only the command-line tools use argument-parser.
let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
  name: "Merino",
  products: [
    .library(name: "Merino", targets: ["Merino"]),
    .library(name: "MerinoC", type: .dynamic, targets: ["MerinoC"]),
    .executable(name: "merino", targets: ["MerinoTool"]),
    .executable(name: "merino-fetch-lat", targets: ["MerinoFetchLatency"]),
    .executable(name: "merino-simulate", targets: ["MerinoSimulate"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
  ],
  targets: [
    // The machine: system calls, atomics over raw memory, waiting.
    .target(name: "CPlatform"),
    .target(name: "Platform", dependencies: ["CPlatform"]),

    // One-sided operations, and who provides them.
    .target(name: "Fabric", dependencies: ["Platform"]),
    .target(name: "HostFabric", dependencies: ["Fabric", "Platform"]),

    // The protocol.
    .target(name: "Coherence", dependencies: ["Fabric", "Platform"]),

    // This process: which addresses are shared, what happens when one faults, who is in the job.
    .target(name: "AddressSpace", dependencies: ["Coherence", "Platform"]),
    .target(name: "CFaultHandler"),
    .target(name: "FaultHandler", dependencies: ["AddressSpace", "CFaultHandler", "Coherence", "Platform"]),
    .target(name: "Bootstrap", dependencies: ["Platform"]),
    .target(name: "Heap"),

    // What people import.
    .target(
      name: "Merino",
      dependencies: [
        "AddressSpace", "Bootstrap", "Coherence", "Fabric", "FaultHandler", "Heap", "HostFabric",
        "Platform",
      ]),
    .target(name: "CMerino"),
    .target(name: "MerinoC", dependencies: ["CMerino", "Merino"]),

    // Tools.
    .executableTarget(name: "MerinoTool", dependencies: ["Merino", "Bootstrap", argumentParser]),
    .target(name: "CFaultFloor", path: "Sources/Benchmarks/CFaultFloor"),
    .executableTarget(
      name: "MerinoFetchLatency", dependencies: ["Merino", "CFaultFloor", argumentParser],
      path: "Sources/Benchmarks/FetchLatency"),

    // Simulation: the same engine, N nodes in one process, scheduled from a seed.
    .target(name: "CCoroutine", path: "Sources/Simulation/CCoroutine"),
    .target(
      name: "SimulatedFabric", dependencies: ["CCoroutine", "Fabric", "Platform"],
      path: "Sources/Simulation/SimulatedFabric"),
    .target(
      name: "Simulation", dependencies: ["Coherence", "SimulatedFabric"],
      path: "Sources/Simulation/Simulation"),
    .executableTarget(
      name: "MerinoSimulate", dependencies: ["Simulation", argumentParser],
      path: "Sources/Simulation/MerinoSimulate"),

    // Tests.
    .testTarget(name: "PlatformTests", dependencies: ["Platform", "Fabric", "HostFabric"]),
    .testTarget(name: "CoherenceTests", dependencies: ["Coherence", "Simulation", "SimulatedFabric"]),
    .target(name: "CFaultProbe", path: "Tests/CFaultProbe"),
    .executableTarget(
      name: "FaultProbe",
      dependencies: ["AddressSpace", "CFaultProbe", "Coherence", "FaultHandler", "Platform"],
      path: "Tests/FaultProbe"),
    .testTarget(
      name: "AddressSpaceTests",
      dependencies: ["AddressSpace", "Coherence", "FaultHandler", "FaultProbe", "Platform"]),
    .testTarget(name: "BootstrapTests", dependencies: ["Bootstrap", "Platform"]),
    .testTarget(name: "HeapTests", dependencies: ["Heap"]),
    .testTarget(name: "ArchitectureTests"),
  ],
  swiftLanguageModes: [.v6]
)
