import Testing

/// The layers (CONTRIBUTING.md, "Layout"), checked on the sources as they are.
@Suite struct ArchitectureTests {
  @Test func importsPointDownwardsOnly() {
    let files = Repository.sources()
    #expect(files.count > 10, "the sources were not found below \(Repository.root)")
    #expect(Layers.violations(in: files) == [])
  }

  /// The folders of `Sources` are the floors, and every target lies in the folder of its name in one.
  @Test func theTreeShowsTheFloors() throws {
    let folders = Set(
      Repository.files(below: "Sources").compactMap { $0.split(separator: "/").dropFirst().first })
    #expect(folders == Set(Layers.floors.keys.map { $0[...] }))
    #expect(folders.count <= 10)
    #expect(Layers.all.count > 25)
    for target in Layers.all {
      let files = Repository.files(below: "Sources/\(target.floor)/\(target.name)")
      #expect(!files.isEmpty, "Sources/\(target.floor)/\(target.name) has no files")
    }
    for name in Layers.narrower.keys { #expect(Layers.target(name) != nil, "there is no target \(name)") }
  }

  /// An arrow that the package does not declare is none: what is not compiled in that order must not be
  /// allowed either.
  @Test func arrowsAreDeclaredInTheManifest() throws {
    let manifest = try #require(Repository.read("Package.swift"))
    #expect(Layers.undeclared(Layers.narrower, manifest) == [])
  }

  /// The library never prints and never exits on its own: what a host program shows is its own affair. The
  /// allowed places end a process that cannot go on (a fault that cannot be served, abort) and the
  /// launcher's.
  @Test func theLibraryNeitherPrintsNorExits() {
    #expect(LibraryRules.violations(in: Repository.sources()) == [])
  }

  @Test func theLauncherIsInNoJob() {
    let files = Repository.sources()
    #expect(files.contains { $0.path == LauncherRules.entrance && $0.imports.contains("Benchmarks") })
    #expect(LauncherRules.violations(in: files) == [])
  }

  /// Nothing that somebody else says may end this process.
  @Test func filesThatHandlePeersBytesDoNotTrap() {
    let files = Repository.sources()
    for path in PeerRules.parsers {
      #expect(files.contains { $0.path == path }, "\(path) is not there any more")
    }
    for path in PeerRules.startUp {
      #expect(files.contains { $0.path.hasPrefix(path) }, "\(path) is not there")
    }
    #expect(PeerRules.violations(in: files) == [])
  }
}

/// What a layer of the library must not call.
enum LibraryRules {
  static let calls = ["print(", "debugPrint(", "exit(", "fputs(", "perror(", "printf("]

  static func violations(in files: [SourceFile]) -> [String] {
    files.filter { Layers.isLinked($0.target) }.flatMap { file in
      file.code.flatMap { line in
        calls.filter { isCalled($0, in: line.text) }
          .map { "\(file.path):\(line.number): the library must not call \($0)...)" }
      }
    }
  }

  /// True where `call` begins a word: not in "_exit(" nor in "onExit(".
  private static func isCalled(_ call: String, in line: String) -> Bool {
    var rest = line[...]
    while let range = rest.firstRange(of: call) {
      let before = range.lowerBound == line.startIndex ? " " : line[line.index(before: range.lowerBound)]
      if !(before.isLetter || before.isNumber || before == "_" || before == ".") { return true }
      rest = rest[range.upperBound...]
    }
    return false
  }
}

/// `merino` starts jobs and is in none, but for the benchmarks: one file leads to them.
enum LauncherRules {
  static let entrance = "Sources/Tools/MerinoTool/BenchCommand.swift"

  static func violations(in files: [SourceFile]) -> [String] {
    files.filter { ["MerinoTool", "Doctor"].contains($0.target) }.flatMap { file -> [String] in
      let joins = file.code.filter { $0.text.contains("Cluster") }.map {
        "\(file.path):\($0.number): what starts or examines jobs must not be in one: \($0.text)"
      }
      guard file.imports.contains("Benchmarks"), file.path != entrance else { return joins }
      return joins + ["\(file.path): only \(entrance) may import Benchmarks"]
    }
  }
}
