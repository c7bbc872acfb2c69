#if Serving
import HTTPTypes

/// The check of `Authorization: Bearer …`.
enum BearerToken {
  /// - Throws: 401 unless the header holds the token. How long the comparison takes does not tell where they differ.
  static func check(_ headers: HTTPFields, _ token: String) throws {
    let given = headers[.authorization] ?? ""
    let scheme = "bearer "
    let isBearer = given.prefix(scheme.count).lowercased() == scheme
    let (left, right) = (
      Array(given.dropFirst(isBearer ? scheme.count : given.count).utf8), Array(token.utf8)
    )
    var difference = left.count == right.count ? UInt8(0) : 1
    for (index, byte) in right.enumerated() { difference |= byte ^ (index < left.count ? left[index] : 0) }
    guard isBearer, difference == 0 else {
      var error = ServingError(
        .unauthorized, "the request needs Authorization: Bearer with the server's token")
      error.headers[.wwwAuthenticate] = "Bearer"
      throw error
    }
  }
}
#endif
