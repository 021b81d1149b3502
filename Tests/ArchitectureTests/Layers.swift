/// Which part of the sources may import which: derived from the floors, the folders of `Sources`, and from
/// the order in which `Package.swift` lists the targets of a floor. A new target needs no entry here, a new
/// floor does.
enum Layers {
  /// The floors and wings, each with those it stands on.
  static let floors: [String: Set<String>] = [
    "Machine": [],
    "Fabrics": ["Machine"],
    "Protocol": ["Machine", "Fabrics"],
    "Process": ["Machine", "Fabrics", "Protocol"],
    "Job": ["Machine"],
    "Merino": ["Machine", "Fabrics", "Protocol", "Process", "Job"],
    "Benchmarks": ["Machine", "Fabrics", "Merino"],
    "Tools": ["Machine", "Fabrics", "Process", "Job", "Merino", "Benchmarks"],
    "Simulation": ["Machine", "Fabrics", "Protocol"],
    "Compatibility": [],
  ]

  /// Floors that programs link. The others are commands.
  static let linked: Set<String> = ["Machine", "Fabrics", "Protocol", "Process", "Job", "Merino"]

  /// Targets that may import less than their floor: all that they may import of ours.
  static let narrower: [String: Set<String>] = [
    // Knows the interface, and none of those who provide it.
    "Coherence": ["CPlatform", "Platform", "Fabric"],
    "SimulatedFabric": ["Platform", "Fabric", "CCoroutine"],
    "Simulation": ["Platform", "Fabric", "Coherence", "SimulatedFabric"],
    // RDMA by itself, a product of its own.
    "Verbs": [],
    // One provider does not know the other.
    "VerbsFabric": ["CPlatform", "Platform", "Fabric", "Verbs"],
    "NodeFabric": ["Fabric", "HostFabric", "VerbsFabric"],
    // An allocator in whatever memory it is given.
    "Heap": ["Platform"],
    "SystemV": ["Merino"],
    "BenchmarkSupport": ["CFaultFloor"],
  ]

  /// A target of `Package.swift` that lies in a floor.
  struct Target: Equatable {
    let name: String
    let floor: String
  }

  /// In the manifest's order.
  static func targets(_ manifest: String) -> [Target] {
    manifest.parts(behind: "name: \"").compactMap { part in
      guard let path = part.parts(behind: "path: \"Sources/").first else { return nil }
      return Target(
        name: String(part.prefix { $0 != "\"" }), floor: String(path.prefix { $0 != "/" && $0 != "\"" }))
    }
  }

  static let all: [Target] = targets(Repository.read("Package.swift") ?? "")

  static func target(_ name: String) -> Target? { all.first { $0.name == name } }

  /// Whether it is of the library: what programs link.
  static func isLinked(_ name: String) -> Bool { target(name).map { linked.contains($0.floor) } ?? false }

  /// Modules of the system that anything may import.
  static let system: Set<String> = ["Glibc", "Synchronization", "Swift", "Builtin"]
  /// Modules that only tools may import.
  static let toolsOnly: Set<String> = ["ArgumentParser", "Foundation", "FoundationEssentials"]

  /// A sentence for each arrow of `layers` that `manifest`, the text of `Package.swift`, does not declare.
  static func undeclared(_ layers: [String: Set<String>], _ manifest: String) -> [String] {
    let declared = Manifest.dependencies(manifest)
    return layers.flatMap { target, allowed in
      allowed.subtracting((declared[target[...]] ?? []).map(String.init)).map {
        "\(target) may import \($0), and does not depend on it"
      }
    }.sorted()
  }

  /// A sentence for each import that no arrow allows.
  static func violations(in files: [SourceFile]) -> [String] {
    files.flatMap { file -> [String] in
      guard let target = target(file.target) else {
        return ["\(file.path): Package.swift has no target \(file.target) in a floor"]
      }
      return file.imports.filter { !mayImport(target, $0) }
        .map { "\(file.path): \(file.target) must not import \($0)" }
    }
  }

  static func mayImport(_ target: Target, _ module: String) -> Bool {
    if system.contains(module) || module == "C" + target.name { return true }
    if toolsOnly.contains(module) { return !linked.contains(target.floor) }
    if let narrow = narrower[target.name] { return narrow.contains(module) }
    guard let other = Self.target(module) else { return false }
    if other.floor != target.floor { return floors[target.floor]?.contains(other.floor) == true }
    // On one floor: what the manifest has before it.
    return (all.firstIndex(of: other) ?? 0) < (all.firstIndex(of: target) ?? 0)
  }
}

extension StringProtocol {
  /// What stands behind each occurrence of `mark`, up to the next one.
  func parts(behind mark: String) -> [Substring] {
    var parts: [Substring] = []
    var rest = Substring(self)
    while let start = rest.firstRange(of: mark) {
      rest = rest[start.upperBound...]
      parts.append(rest[..<(rest.firstRange(of: mark)?.lowerBound ?? rest.endIndex)])
    }
    return parts
  }
}
