import Testing

/// The checks are shown able to fail, on sources made up for it.
@Suite struct ArchitectureSelfTests {
  func file(_ target: String, _ text: String) -> SourceFile {
    SourceFile(path: "Sources/\(target)/A.swift", target: target, text: text)
  }

  @Test func anImportUpwardsIsFound() {
    let found = Layers.violations(in: [file("Fabric", "import Platform\nimport Coherence\n")])
    #expect(found == ["Sources/Fabric/A.swift: Fabric must not import Coherence"])
  }

  @Test(arguments: [
    "@testable import Merino", "@_exported public import Merino", "internal import Merino",
    "import struct Merino.Segment", "  import   Merino // why", "public import class Merino.Cluster;",
  ])
  func everyFormOfImportIsSeen(line: String) {
    #expect(file("Coherence", line).imports == ["Merino"])
    #expect(Layers.violations(in: [file("Coherence", line)]).count == 1)
  }

  @Test func foundationIsForToolsOnly() {
    #expect(Layers.violations(in: [file("Merino", "import Foundation")]).count == 1)
    #expect(Layers.violations(in: [file("Heap", "import FoundationEssentials")]).count == 1)
    #expect(Layers.violations(in: [file("MerinoTool", "import Foundation")]) == [])
    #expect(Layers.violations(in: [file("Merino", "import ArgumentParser")]).count == 1)
  }

  @Test func anUnknownTargetIsFound() {
    #expect(Layers.violations(in: [file("Stranger", "")]).count == 1)
  }

  @Test func commentsAreNotImports() {
    #expect(file("Fabric", "// import Coherence\n/// import Merino").imports == [])
  }

  @Test func printingIsFound() {
    #expect(LibraryRules.violations(in: [file("Heap", "func f() { print(1) }")]).count == 1)
    #expect(LibraryRules.violations(in: [file("Heap", "  exit(1)")]).count == 1)
    #expect(LibraryRules.violations(in: [file("Heap", "_exit(1); a.print(2) // print(3)")]) == [])
    #expect(LibraryRules.violations(in: [file("Heap", "let text = \"print(it)\"")]) == [])
    #expect(LibraryRules.violations(in: [file("MerinoTool", "print(1)")]) == [])
  }
}
