import Fabric
import Glibc
import Platform
import Testing

extension String {
  /// A file of the repository that this test was built from.
  init(contentsOfRepositoryFile name: String, of file: String = #filePath) throws {
    let root = file.split(separator: "/").dropLast(3).joined(separator: "/")
    let stream = try #require(fopen("/\(root)/\(name)", "r"))
    defer { fclose(stream) }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 1 << 16)
    while case let count = fread(&piece, 1, piece.count, stream), count > 0 { bytes += piece[..<count] }
    self = String(decoding: bytes, as: UTF8.self)
  }
}
