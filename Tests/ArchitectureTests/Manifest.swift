/// What `Package.swift` declares, read as text: the tests have no package manager.
enum Manifest {
  /// The dependencies of each target, ours and others.
  static func dependencies(_ text: String) -> [Substring: Set<Substring>] {
    var found: [Substring: Set<Substring>] = [:]
    for part in text.parts(behind: "name: \"") {
      let name = part.prefix { $0 != "\"" }
      let rest = part.dropFirst(name.count + 1)
      guard let list = rest.parts(behind: "dependencies: [").first?.prefix(while: { $0 != "]" }) else {
        continue
      }
      let quoted = list.split(separator: "\"", omittingEmptySubsequences: false)
      let names = stride(from: 1, to: quoted.count, by: 2).map { quoted[$0] }
      found[name, default: []].formUnion(names)
    }
    return found
  }
}
