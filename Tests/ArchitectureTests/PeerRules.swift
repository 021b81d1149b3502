/// What a file must not do that handles bytes of somebody else: nothing that whoever is at the other end says
/// may stop this process. Two rules.
///
/// - *Never*, in all that runs while a job comes together: what ends the process where a condition does not
///   hold.
/// - *With a reason*, where peers' bytes are taken apart: what ends it where a number is out of range. The
///   reason is a comment on the line or right above it that says "In bounds:" or "In range:", and why.
enum PeerRules {
  /// Where nothing of the first rule may be.
  static let startUp = [
    "Sources/Job/Bootstrap/", "Sources/Tools/MerinoTool/Launcher/", "Sources/Tools/MerinoTool/JobFrame.swift",
    "Sources/Fabrics/VerbsFabric/Greeting.swift", "Sources/Fabrics/VerbsFabric/ConnectionManagerWiring",
    "Sources/Fabrics/VerbsFabric/ExchangeWiring.swift", "Sources/Fabrics/VerbsFabric/Invitations.swift",
    "Sources/Fabrics/VerbsFabric/VerbsEndpoint.swift",
    "Sources/Merino/Merino/Agreement.swift", "Sources/Merino/Merino/Connecting.swift",
    "Sources/Merino/Merino/FabricOffer.swift",
    "Sources/Merino/Merino/JoinMessages.swift", "Sources/Merino/Merino/Joining.swift",
  ]

  /// Where the second holds as well: whoever writes another file that takes peers' bytes apart enters it
  /// here.
  static let parsers = [
    "Job/Bootstrap/Admission", "Job/Bootstrap/CallChannel", "Job/Bootstrap/Handshake",
    "Job/Bootstrap/LauncherLink",
    "Job/Bootstrap/Launchers/PMIMessage", "Job/Bootstrap/Launchers/PMISocket",
    "Job/Bootstrap/Launchers/RendezvousCard",
    "Job/Bootstrap/MessageChannel", "Job/Bootstrap/MessageLimits", "Job/Bootstrap/MessageReader",
    "Job/Bootstrap/Outpost",
    "Job/Bootstrap/OutpostMessages", "Job/Bootstrap/RendezvousAddress", "Job/Bootstrap/RendezvousEntry",
    "Job/Bootstrap/RendezvousMessage", "Job/Bootstrap/RendezvousPayloads", "Job/Bootstrap/RendezvousServer",
    "Job/Bootstrap/RendezvousServer+Collectives", "Job/Bootstrap/RendezvousServer+Local",
    "Job/Bootstrap/RendezvousServer+Joining",
    "Job/Bootstrap/RendezvousServer+TCP",
    "Job/Bootstrap/ServerConnection", "Job/Bootstrap/TCPConnecting", "Job/Bootstrap/TCPEntrance",
    "Job/Bootstrap/TakenDescriptors",
    "Machine/Platform/WireWords", "Merino/Merino/JoinMessages", "Fabrics/VerbsFabric/Greeting",
    "Fabrics/VerbsFabric/Invitations",
  ].map { "Sources/\($0).swift" }

  /// Subscripts that end no process: dictionaries, and what the server keeps for each node, by a number that
  /// `admit` or `places(for:)` has let through.
  static let harmlessSubscripts: Set<String> = ["slots", "fields", "connections", "entryNodes"]

  static let words = [
    "unowned", "unsafelyUnwrapped", "precondition", "preconditionFailure", "fatalError", "assert",
    "assertionFailure", "unsafeBitCast",
  ]
  static let operators = ["+", "-", "*", "/", "%", "+=", "-=", "*=", "/=", "%="]
  static let conversions: Set<String> = [
    "Int", "Int8", "Int16", "Int32", "Int64", "UInt", "UInt8", "UInt16", "UInt32", "UInt64", "pid_t",
  ]
  /// Conversions that say what becomes of what does not fit.
  static let safeLabels = [
    "clamping:", "truncatingIfNeeded:", "bitPattern:", "exactly:", "littleEndian:", "ascii:",
  ]

  static func violations(in files: [SourceFile]) -> [String] {
    files.flatMap { file -> [String] in
      guard startUp.contains(where: file.path.hasPrefix) else { return [] }
      let lines = SwiftLine.lines(of: file.text)
      var found: [String] = []
      for (index, line) in lines.enumerated() {
        found += never(line.code).map { "\(file.path):\(index + 1): \($0) ends the process" }
        guard parsers.contains(file.path), !hasReason(lines, index) else { continue }
        found += risky(line.code).map {
          "\(file.path):\(index + 1): \($0) ends the process where it is out of range; say why it is not"
        }
      }
      return found
    }
  }

  /// On the line, or in the comment above the statement that it belongs to.
  private static func hasReason(_ lines: [SwiftLine], _ index: Int) -> Bool {
    func says(_ line: SwiftLine) -> Bool {
      ["In bounds:", "In range:"].contains { line.comment.contains($0) }
    }
    if says(lines[index]) { return true }
    var above = index - 1
    // A statement of a few lines, then its comment.
    var statementLines = 0
    while above >= 0, !lines[above].isCommentOnly, statementLines < 4,
      !lines[above].code.allSatisfy(\.isWhitespace)
    {
      above -= 1
      statementLines += 1
    }
    while above >= 0, lines[above].isCommentOnly {
      if says(lines[above]) { return true }
      above -= 1
    }
    return false
  }

  static func never(_ code: String) -> [String] {
    let tokens = SwiftToken.tokens(of: code)
    var found: [String] = []
    for (index, token) in tokens.enumerated() {
      if words.contains(token.text) { found.append(token.text) }
      // Behind a value it forces; "!=" is an operator of its own, "!x" begins a word.
      if token.text == "!", !token.spaceBefore, index > 0 {
        let before = tokens[index - 1]
        if before.isWord || [")", "]", "?"].contains(before.text) { found.append("\(before.text)!") }
      }
    }
    return found
  }

  /// "[...]" is all there is.
  private static func isWhole(_ rest: ArraySlice<SwiftToken>) -> Bool {
    rest.prefix(2).map(\.text) == ["...", "]"]
  }

  static func risky(_ code: String) -> [String] {
    let tokens = SwiftToken.tokens(of: code)
    var found: [String] = []
    for (index, token) in tokens.enumerated() where index > 0 && index + 1 < tokens.count {
      let (before, after) = (tokens[index - 1], tokens[index + 1])
      if token.text == "[", !token.spaceBefore, before.isWord || [")", "]", "?"].contains(before.text),
        !harmlessSubscripts.contains(before.text), !isWhole(tokens[(index + 1)...])
      {
        found.append("\(before.text)[…]")
      }
      if operators.contains(token.text), token.spaceBefore, after.spaceBefore,
        ![before, after].contains(where: { $0.text == "\"" || $0.text == "[" || $0.text == "]" }),
        !(before.isNumber && after.isNumber), !(["/", "%"].contains(token.text) && after.isNumber)
      {
        found.append("\(before.text) \(token.text) \(after.text)")
      }
      if ["..<", "..."].contains(token.text), !before.isNumber, before.text != "[",
        ![")", "]"].contains(after.text)
      {
        found.append("\(before.text)\(token.text)\(after.text)")
      }
      if conversions.contains(token.text), after.text == "(", index + 3 < tokens.count {
        let label = tokens[index + 2].text + tokens[index + 3].text
        let isConstant = tokens[index + 2].isConstant && tokens[index + 3].text == ")"
        if !isConstant, !safeLabels.contains(label) { found.append("\(token.text)(…)") }
      }
      if ["removeFirst", "removeLast"].contains(token.text) { found.append(token.text) }
    }
    return found
  }
}
