import CLibCrypto
import RBNTensor

/// SHA-256, by libcrypto.
package enum SHA256 {
  /// The digest as 64 lower-case hexadecimal digits.
  ///
  /// - Throws: `system.digest` when libcrypto refuses, as it may where a policy forbids the algorithm.
  package static func hexDigest(of bytes: UnsafeRawBufferPointer) throws -> String {
    var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
    var length: UInt32 = 0
    guard EVP_Digest(bytes.baseAddress, bytes.count, &digest, &length, EVP_sha256(), nil) == 1, length == 32
    else {
      throw RBNError(RBNError.Code("system.digest"), .system, "libcrypto did not compute a SHA-256 digest")
    }
    let digits = Array("0123456789abcdef".utf8)
    return String(
      decoding: digest[..<32].flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }

  /// The digest of an array of bytes.
  ///
  /// - Throws: as the other one.
  package static func hexDigest(of bytes: [UInt8]) throws -> String {
    try bytes.withUnsafeBytes { try hexDigest(of: $0) }
  }
}
