/// The rule for names of entries: UTF-8, relative, within the archive, printable.
enum ZipEntryName {
  /// The longest name that a header can hold, in bytes.
  static let maximumByteCount = 0xFFFF

  /// Whether a name breaks the rule: empty, absolute, `.` or `..` in it, backslashes or control characters.
  static func isUnsafe(_ name: some Collection<UInt8>) -> Bool {
    name.isEmpty || name.first == UInt8(ascii: "/")
      || name.contains { $0 < 0x20 || $0 == 0x7F || $0 == UInt8(ascii: "\\") }
      || name.split(separator: UInt8(ascii: "/")).contains {
        $0.elementsEqual(".".utf8) || $0.elementsEqual("..".utf8)
      }
  }
}
