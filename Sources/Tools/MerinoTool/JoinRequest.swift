import ArgumentParser
import Bootstrap
import Glibc

/// What `--join` comes to.
extension RunCommand {
  func outpostPlan(_ text: String) throws -> OutpostPlan {
    let addresses = try text.split(separator: ",", omittingEmptySubsequences: false).map { part in
      guard let address = HostAndPort(String(part)), address.port > 0 else {
        throw ValidationError(
          "--join is \"\(text)\"; it must be HOST:PORT, an IPv6 address in brackets, several after commas.")
      }
      return address
    }
    if let outpost { return try sentPlan(addresses, entry: outpost) }
    let programs = try JobPlan.programs(firstNodeCount: nodeCount ?? "", words: words)
    guard let file = secretFile.flatMap({ realpath($0, nil) }) else {
      throw ValidationError(
        "there is no secret file \(secretFile ?? ""); it must hold what the launcher's holds.")
    }
    defer { free(file) }
    let path = String(cString: file)
    return OutpostPlan(
      addresses: addresses, secret: try SecretFile.read(path), secretFile: path,
      words: JobPlan.wordsOfNodes(programs), labelsOutput: label)
  }

  /// What to run comes by standard input.
  private func sentPlan(_ addresses: [HostAndPort], entry: Int) throws -> OutpostPlan {
    guard secretFile == "-", words.isEmpty, let count = Int(nodeCount ?? ""), count > 0,
      let frame = JobFrame.read()
    else {
      throw ValidationError(
        "standard input does not bring a job: --outpost is what merino run --hosts calls on other hosts.")
    }
    let directory = frame.workingDirectory.map { CChar(bitPattern: $0) } + [0]
    guard chdir(directory) == 0 else {
      throw ValidationError(
        "the working directory \(String(decoding: frame.workingDirectory, as: UTF8.self)) cannot be entered "
          + "on \(Member.currentHostName()): \(String(cString: strerror(errno))). Start the job in a "
          + "directory that every host has.")
    }
    for variable in frame.variables { Self.set(variable) }
    let words = frame.words.map { String(decoding: $0, as: UTF8.self) }
    return OutpostPlan(
      addresses: addresses, secret: frame.secret, entry: entry, words: Array(repeating: words, count: count),
      labelsOutput: frame.labelsOutput)
  }

  private static func set(_ variable: [UInt8]) {
    guard let equals = variable.firstIndex(of: UInt8(ascii: "=")) else { return }
    let name = variable[..<equals].map { CChar(bitPattern: $0) } + [0]
    let value = variable[(equals + 1)...].map { CChar(bitPattern: $0) } + [0]
    setenv(name, value, 1)
  }
}
