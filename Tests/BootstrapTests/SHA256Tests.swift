import Glibc
import Testing

@testable import Bootstrap

/// Against published vectors: FIPS 180-4's examples (NIST) and RFC 4231.
@Suite(.timeLimit(.minutes(1)))
struct SHA256Tests {
  private func hexadecimal(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  private func bytes(_ hexadecimal: String) -> [UInt8] {
    let digits = hexadecimal.compactMap(\.hexDigitValue)
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] * 16 + digits[$0 + 1]) }
  }

  @Test(arguments: [
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
    (
      "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrst"
        + "nopqrstu",
      "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"
    ),
  ])
  func digestsOfNIST(text: String, digest: String) {
    #expect(hexadecimal(SHA256.digest(Array(text.utf8))) == digest)
  }

  @Test func digestOfAMillionLetters() {
    let digest = SHA256.digest(Array(repeating: UInt8(ascii: "a"), count: 1_000_000))
    #expect(hexadecimal(digest) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
  }

  /// Every length around the block's edges, in pieces as in one.
  @Test func piecesMakeTheSameDigest() {
    for count in 0...130 {
      let text = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 7) }
      var hash = SHA256()
      for byte in text { hash.update([byte]) }
      #expect(hash.finish() == SHA256.digest(text), "\(count) bytes")
    }
  }

  @Test(arguments: [
    (
      String(repeating: "0b", count: 20), "4869205468657265",
      "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    ),
    (
      "4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    ),
    (
      String(repeating: "aa", count: 20), String(repeating: "dd", count: 50),
      "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"
    ),
    (
      "0102030405060708090a0b0c0d0e0f10111213141516171819", String(repeating: "cd", count: 50),
      "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"
    ),
    (
      String(repeating: "aa", count: 131),
      "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d2048617368204b6579204669727374",
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
    ),
    (
      String(repeating: "aa", count: 131),
      "5468697320697320612074657374207573696e672061206c6172676572207468616e20626c6f636b2d73697a65206b657920616e6420"
        + "61206c6172676572207468616e20626c6f636b2d73697a6520646174612e20546865206b6579206e6565647320746f20626520"
        + "686173686564206265666f7265206265696e6720757365642062792074686520484d414320616c676f726974686d2e",
      "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"
    ),
  ])
  func codesOfRFC4231(key: String, message: String, code: String) {
    #expect(hexadecimal(HMAC.code(key: bytes(key), bytes(message))) == code)
  }

  @Test func comparisonSeesEveryByte() {
    let one = SHA256.digest([1])
    #expect(HMAC.areEqual(one, one))
    for index in one.indices {
      var other = one
      other[index] ^= 0x80
      #expect(!HMAC.areEqual(one, other))
    }
    #expect(!HMAC.areEqual(one, Array(one.dropLast())))
  }
}

/// What is a secret file and what is not.
@Suite(.timeLimit(.minutes(1)))
struct SecretFileTests {
  private func sentence(_ path: String) -> String {
    do throws(BootstrapError) {
      return "\(try SecretFile.read(path).count) bytes"
    } catch {
      return error.description
    }
  }

  private func write(_ count: Int, mode: mode_t, _ scratch: Scratch) throws -> String {
    let path = scratch.path + "/secret"
    let file = open(path, O_CREAT | O_WRONLY | O_EXCL, 0o600)
    let bytes = [UInt8](repeating: 7, count: count)
    try #require(file >= 0 && Glibc.write(file, bytes, count) == count && fchmod(file, mode) == 0)
    close(file)
    return path
  }

  @Test(arguments: [
    (16, 0o600, "16 bytes"), (15, 0o600, "has 15 bytes; a secret has 16 to 4096"),
    (4097, 0o600, "has more than 4096 bytes"), (32, 0o400, "32 bytes"),
    (32, 0o640, "may be read or changed by others (mode 640); chmod 600"), (32, 0o602, "(mode 602)"),
  ])
  func whatIsASecret(count: Int, mode: Int, answer: String) throws {
    let scratch = Scratch()
    let path = try write(count, mode: mode_t(mode), scratch)
    #expect(sentence(path).contains(answer), "\(sentence(path))")
  }

  @Test func directoriesAndMissingFilesAreNone() {
    let scratch = Scratch()
    #expect(sentence(scratch.path).contains("is no regular file"))
    #expect(sentence(scratch.path + "/none").contains("No such file"))
  }

  @Test func aNewSecretIsForItsOwnerAndNeverReplaced() throws {
    let scratch = Scratch()
    let path = scratch.path + "/secret"
    let (one, other) = (try SecretFile.make(), try SecretFile.make())
    #expect(one != other && one.count == 65)
    #expect(try SecretFile.create(path, one))
    #expect(try !SecretFile.create(path, other))
    #expect(try SecretFile.read(path) == one)
    var status = stat()
    #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
    #expect(scratch.entries == ["secret"])
  }
}
