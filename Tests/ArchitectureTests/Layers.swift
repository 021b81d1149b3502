/// What each target may import of ours: the arrows of the layers, downwards only. A new target is entered here,
/// or the test fails. A target may always import the C target of its own name, `CHeap` for `Heap`.
enum Layers {
  static let machine: Set<String> = ["CPlatform", "Platform"]
  /// The machine, and one-sided operations.
  static let operations: Set<String> = machine.union(["Fabric"])

  /// Targets of the library, in the order of the layers.
  static let library: [String: Set<String>] = [
    "Platform": ["CPlatform"],
    "Fabric": ["Platform"],
    "HostFabric": operations,
    "Verbs": [],
    "VerbsFabric": operations.union(["Verbs"]),
    "Coherence": operations,
    "AddressSpace": machine.union(["Coherence"]),
    "FaultHandler": machine.union(["AddressSpace", "Coherence"]),
    "Bootstrap": machine,
    "Heap": ["Platform"],
    "Node": operations.union(["AddressSpace", "Coherence", "HostFabric", "VerbsFabric"]),
    "Merino": operations.union([
      "AddressSpace", "Bootstrap", "Coherence", "FaultHandler", "Heap", "HostFabric", "Node",
      "VerbsFabric",
    ]),
    "SystemV": ["Merino"],
    "MerinoC": ["CMerino", "FaultHandler", "Merino", "SystemV"],
  ]

  /// Command-line tools and the simulation; the library knows none of them. The key is the folder's name.
  static let tools: [String: Set<String>] = [
    "Doctor": machine.union([
      "AddressSpace", "BenchmarkSupport", "Bootstrap", "HostFabric", "Merino", "Verbs",
    ]),
    "MerinoTool": machine.union(["Benchmarks", "Bootstrap", "CBootstrap", "Doctor", "Merino"]),
    "BenchmarkSupport": ["CFaultFloor"],
    "VerbsFloor": ["BenchmarkSupport", "Verbs"],
    "Benchmarks": ["BenchmarkSupport", "Merino", "VerbsFloor"],
    "SimulatedFabric": ["CCoroutine", "Fabric", "Platform"],
    "Simulation": ["Coherence", "Fabric", "Platform", "SimulatedFabric"],
    "MerinoSimulate": ["Coherence", "Simulation"],
  ]

  static let all = library.merging(tools) { first, _ in first }

  /// Modules of the system that anything may import.
  static let system: Set<String> = ["Glibc", "Synchronization", "Swift", "Builtin"]
  /// Modules that only tools may import.
  static let toolsOnly: Set<String> = ["ArgumentParser", "Foundation", "FoundationEssentials"]

  /// A sentence for each arrow of `layers` that `manifest`, the text of `Package.swift`, does not declare.
  static func undeclared(_ layers: [String: Set<String>], _ manifest: String) -> [String] {
    let declared = Manifest.dependencies(manifest)
    return layers.flatMap { target, allowed in
      let own = declared[target[...]] ?? []
      return allowed.subtracting(own.map(String.init)).map {
        "\(target) may import \($0), and does not depend on it"
      }
    }.sorted()
  }

  /// A sentence for each import that no arrow allows.
  static func violations(in files: [SourceFile]) -> [String] {
    files.flatMap { file -> [String] in
      guard let allowed = all[file.target] else {
        return ["\(file.path): Layers.swift does not know the target \(file.target)"]
      }
      let others = library[file.target] == nil ? toolsOnly : []
      return file.imports.filter { module in
        !allowed.contains(module) && !system.contains(module) && !others.contains(module)
          && module != "C" + file.target
      }.map { "\(file.path): \(file.target) must not import \($0)" }
    }
  }
}
