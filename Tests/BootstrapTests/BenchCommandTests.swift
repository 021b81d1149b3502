import Glibc
import Testing

/// The benchmarks in `merino`: by `merino bench NAME`, and by links of their own names.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct BenchCommandTests {
  static let names = [
    "fetch-lat", "fetch-bw", "write-lat", "release-lat", "lock-lat", "barrier-lat", "atomic-lat",
  ]

  /// A link of this name that leads to `merino`.
  private func link(_ name: String, in folder: Scratch) throws -> String {
    let path = folder.path + "/" + name
    try #require(symlink(Tool.merino, path) == 0)
    return path
  }

  private func run(_ words: String...) throws -> Finished { try RunningCommand(words).wait() }

  /// The words without the line breaks, which are elsewhere where a name is longer; the name that a link has.
  private func words(_ text: String, of name: String) -> String {
    text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
      .replacing("merino bench \(name)", with: "merino-\(name)")
  }

  @Test func withoutANameTheyAreListed() throws {
    let list = try run(Tool.merino, "bench")
    #expect(list.code == 0 && list.errors == "", "\(list)")
    #expect(list.lines.map { String($0.prefix { $0 != " " }) } == Self.names)
    #expect(
      list.lines.allSatisfy { $0.contains("  Latency of ") || $0.contains("  Bandwidth of ") }, "\(list)")
  }

  @Test(arguments: names)
  func aLinkHasTheSameHelpButForItsName(name: String) throws {
    let folder = Scratch()
    let byLink = try run(try link("merino-" + name, in: folder), "--help")
    let byCommand = try run(Tool.merino, "bench", name, "--help")
    #expect(byLink.code == 0 && byCommand.code == 0, "\(byLink) \(byCommand)")
    #expect(byLink.output.contains("USAGE: merino-\(name) [--size <size>]"), "\(byLink)")
    #expect(byCommand.output.contains("USAGE: merino bench \(name) [--size <size>]"), "\(byCommand)")
    #expect(words(byLink.output, of: name) == words(byCommand.output, of: name))
  }

  /// As nodes of a job; the figures are different ones each time.
  @Test func aLinkReportsTheSame() throws {
    let folder = Scratch()
    let options = ["-n", "5", "-w", "1", "--floor", "host"]
    func job(_ words: [String]) throws -> Finished {
      try RunningCommand([Tool.merino, "run", "-n", "2", "--fabric", "host", "--"] + words + options).wait()
    }
    let byLink = try job([try link("merino-barrier-lat", in: folder)])
    let byCommand = try job([Tool.merino, "bench", "barrier-lat"])
    #expect(byLink.code == 0 && byCommand.code == 0, "\(byLink) \(byCommand)")
    #expect(byCommand.output.contains("merino-barrier-lat"), "\(byCommand)")
    func withoutFigures(_ run: Finished) -> [Substring] {
      run.output.split { $0.isWhitespace || $0.isNumber || $0 == "." }
    }
    #expect(withoutFigures(byLink) == withoutFigures(byCommand))
  }

  /// Mistakes end a link with ArgumentParser's code, as they always have, and `merino` with its own.
  @Test func mistakesAreToldInTheSameSentence() throws {
    let folder = Scratch()
    let fetch = try link("merino-fetch-lat", in: folder)
    for (options, sentence) in [
      (["-s", "100"], "Error: The size (-s) of a page is a power of two from 4096 to 2097152, not 100.\n"),
      (["--nonsense"], "Error: Unknown option '--nonsense'"), ([], "Error: It takes two nodes: "),
    ] {
      let byLink = try RunningCommand([fetch] + options).wait()
      let byCommand = try RunningCommand([Tool.merino, "bench", "fetch-lat"] + options).wait()
      #expect(byLink.code == 64 && byCommand.code == 2, "\(byLink) \(byCommand)")
      #expect(byLink.errors.hasPrefix(sentence), "\(byLink)")
      #expect(words(byLink.errors, of: "fetch-lat") == words(byCommand.errors, of: "fetch-lat"))
    }
  }

  @Test func aBenchmarkThatIsNoneIsRefused() throws {
    let refused = try run(Tool.merino, "bench", "fetch-latency", "-n", "5")
    #expect(refused.code == 2 && refused.output == "", "\(refused)")
    let names = Self.names.joined(separator: ", ")
    #expect(
      refused.errors.hasPrefix("Error: there is no benchmark \"fetch-latency\"; there is: \(names).\n"),
      "\(refused)")
  }

  /// Only the last component counts, and only whole names.
  @Test(arguments: ["merino-unknown", "fetch-lat", "merino-fetch-latency", "merino-"])
  func byAnyOtherNameItIsMerino(name: String) throws {
    let folder = Scratch()
    let version = try run(try link(name, in: folder), "--version")
    let own = try run(Tool.merino, "--version")
    #expect(
      version.code == 0 && version.output.hasPrefix("merino ") && version.output == own.output, "\(version)")
    let folderOfThatName = try run(
      "sh", "-c", "mkdir \"$1\" && cd \"$1\" && ln -s \"$2\" merino && ./merino --version; rm -r \"$1\"",
      "sh",
      folder.path + "/merino-fetch-lat", Tool.merino)
    #expect(folderOfThatName.output == own.output, "\(folderOfThatName)")
  }

  /// As a shell finds it: the name that it was called by has no folder.
  @Test func aLinkIsFoundByItsPath() throws {
    let folder = Scratch()
    _ = try link("merino-lock-lat", in: folder)
    let help = try run("sh", "-c", "PATH=\(folder.path):$PATH; merino-lock-lat --help")
    #expect(help.code == 0 && help.output.contains("USAGE: merino-lock-lat "), "\(help)")
  }
}
