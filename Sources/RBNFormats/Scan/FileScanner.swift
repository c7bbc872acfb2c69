import RBNTensor

/// Walks through a file and the files inside of it, and looks into every pickle.
struct FileScanner {
  var result = FileScan()

  /// Archives nested deeper are not looked into.
  private static let maximumDepth = 8
  /// An entry that must be held in memory, because it is compressed or an archive itself, has at most so many bytes.
  private static let maximumHeldByteCount = 1 << 28

  /// Looks into a range of a source: a whole file, or an entry of an archive.
  ///
  /// - Parameter isNamedPickle: whether its name says that it is a pickle.
  mutating func scan(
    _ source: ByteSource, _ range: Range<Int>, entry: String, depth: Int, isNamedPickle: Bool = false
  ) throws {
    try Task.checkCancellation()
    let head = try source.bytes(
      at: range.lowerBound, count: min(range.count, FileSignature.headByteCount))
    if head.starts(with: [0x50, 0x4B, 0x03, 0x04]) || head.starts(with: [0x50, 0x4B, 0x05, 0x06]) {
      return try scanArchive(source, range, entry: entry, depth: depth)
    }
    if head.starts(with: [0x93] + Array("NUMPY".utf8)) {
      return try scanArray(source, range, head, entry: entry, depth: depth)
    }
    let isExpected = depth == 0 || isNamedPickle
    if try scanPickles(source, range, head, entry: entry, depth: depth, isExpected: isExpected) { return }
    guard depth == 0 else { return }
    // A file of no kind that is known may still be read by somebody who finds a pickle in it.
    let unknown = FileSignature.describe(head, byteCount: range.count)
    note(kind: unknown.description, depth: depth)
    result.add(
      RBNError(
        .notScanned, .model, "is \(unknown.description); only what begins as a pickle was looked into"),
      in: entry)
    try searchPickles(source, range, entry: entry)
  }

  private mutating func note(kind: String, depth: Int) {
    if depth == 0 { result.kind = kind }
  }

  // MARK: Archives

  private mutating func scanArchive(
    _ source: ByteSource, _ range: Range<Int>, entry: String, depth: Int
  ) throws {
    note(kind: "a zip archive", depth: depth)
    guard depth < Self.maximumDepth, depth == 0 || range.count <= Self.maximumHeldByteCount else {
      return result.add(
        RBNError(.notScanned, .model, "is an archive nested too deeply, or too large to be one in another"),
        in: entry)
    }
    let held =
      depth == 0
      ? source : ByteSource(try source.storage(at: range.lowerBound, count: range.count), subject: .model)
    let archive: ZipArchive
    do {
      var options = ZipArchive.Options()
      options.allowsDeflate = true
      options.maximumInflatedByteCount = Self.maximumHeldByteCount
      archive = try ZipArchive(held, options: options)
    } catch let error as RBNError {
      result.add(error, in: entry)
      return try searchPickles(held, 0..<held.byteCount, entry: entry)
    }
    let names = archive.entries.map(\.name)
    if let kind = FileKind.of(archiveNames: names).scanName { note(kind: kind, depth: depth) }
    for member in archive.entries {
      let path = entry.isEmpty ? member.name : "\(entry)!/\(member.name)"
      if Self.isProgram(member.name) {
        result.add(
          .init(
            concern: .program, module: nil, name: member.name, entry: path, byte: 0, opcode: nil,
            isCalled: false))
      }
      try scanMember(member, of: archive, held, path: path, depth: depth + 1)
    }
  }

  private mutating func scanMember(
    _ member: ZipArchive.Entry, of archive: ZipArchive, _ source: ByteSource, path: String, depth: Int
  ) throws {
    let count = result.pickleCount
    let isNamedPickle = Self.isNamedPickle(member.name)
    do {
      if member.isDeflated {
        let inflated = ByteSource(try archive.read(member), subject: .model)
        try scan(
          inflated, 0..<inflated.byteCount, entry: path, depth: depth, isNamedPickle: isNamedPickle)
      } else {
        try scan(
          source, member.dataOffset..<(member.dataOffset + member.byteCount), entry: path, depth: depth,
          isNamedPickle: isNamedPickle)
      }
    } catch let error as RBNError {
      return result.add(error, in: path)
    }
    if isNamedPickle, result.pickleCount == count {
      result.add(RBNError(.notScanned, .model, "is named as a pickle and is none"), in: path)
    }
  }

  private static func isProgram(_ name: String) -> Bool {
    [".py", ".pyc", ".so", ".dll", ".dylib"].contains { name.lowercased().hasSuffix($0) }
  }

  private static func isNamedPickle(_ name: String) -> Bool {
    [".pkl", ".pickle"].contains { name.lowercased().hasSuffix($0) }
  }

  // MARK: Arrays

  /// A `.npy` file: an array of objects is a pickle behind the header.
  private mutating func scanArray(
    _ source: ByteSource, _ range: Range<Int>, _ head: [UInt8], entry: String, depth: Int
  ) throws {
    note(kind: "a NumPy array", depth: depth)
    guard head.count >= 12 else { return }
    let isShort = head[6] < 2
    let length = Int(head[8]) | Int(head[9]) << 8 | (isShort ? 0 : Int(head[10]) << 16 | Int(head[11]) << 24)
    let start = (isShort ? 10 : 12) + length
    guard start <= range.count else {
      return result.add(RBNError(.truncatedPickle, .model, "is an array whose header breaks off"), in: entry)
    }
    // Whatever the header says: readers disagree on damaged ones.
    let data = (range.lowerBound + start)..<range.upperBound
    let begin = try source.bytes(at: data.lowerBound, count: min(data.count, 2))
    let header = try source.bytes(at: range.lowerBound, count: min(start, 1 << 16))
    let holdsObjects = header.contains(UInt8(ascii: "O"))
    guard holdsObjects || Self.isProtocol(begin) else { return }
    let count = result.pickleCount
    _ = try scanPickles(source, data, begin, entry: entry, depth: depth + 1, isExpected: holdsObjects)
    if holdsObjects, result.pickleCount == count {
      result.add(
        RBNError(.notScanned, .model, "is an array of objects without a pickle that can be read"), in: entry)
    }
  }

  // MARK: Pickles

  private static func isProtocol(_ head: [UInt8]) -> Bool {
    head.count >= 2 && head[0] == PickleOpcode.proto.rawValue && head[1] <= 5
  }

  /// The pickles of a legacy stream, whatever they begin with: magic number, version, system, object, keys.
  private static let legacyPickleCount = 5

  /// Looks into the pickles that a range begins with; false where there are none.
  ///
  /// - Parameter isExpected: whether there should be one, so that one without a protocol or a name counts, too.
  private mutating func scanPickles(
    _ source: ByteSource, _ range: Range<Int>, _ head: [UInt8], entry: String, depth: Int, isExpected: Bool
  ) throws -> Bool {
    let expectedCount = FileKind.isLegacy(head) ? Self.legacyPickleCount : 0
    var position = range.lowerBound
    var count = 0
    while position < range.upperBound {
      let begin = try source.bytes(at: position, count: min(range.upperBound - position, 2))
      guard count == 0 || count < expectedCount || Self.isProtocol(begin) else { break }
      let scan = try PickleScanner(
        source, position..<range.upperBound, origin: range.lowerBound, name: entry.isEmpty ? "pickle" : entry)
      // Numbers that happen to begin as a pickle break off soon, and name nothing.
      let isWhole = scan.problem == nil && scan.opcodeCount > 1 && (isExpected || Self.isProtocol(begin))
      let isBroken = depth == 0 && count == 0 && Self.isProtocol(begin)
      guard isWhole || isBroken || count < expectedCount || scan.mentions.contains(where: Self.isPlausible)
      else {
        break
      }
      count += 1
      add(scan.mentions, entry: entry, origin: range.lowerBound)
      position = scan.end
      if let problem = scan.problem {
        result.add(problem, in: entry)
        position = range.upperBound
      }
    }
    guard count > 0 else { return false }
    note(kind: expectedCount > 0 ? "a checkpoint of torch.save before 1.6" : "a pickle", depth: depth)
    result.pickleCount += count
    // Behind the pickles of a legacy stream lie its storages.
    if position < range.upperBound, expectedCount == 0 {
      result.add(
        RBNError(
          .trailingPickleBytes, .model,
          "has \(range.upperBound - position) bytes behind its pickle, which were not looked into"), in: entry
      )
    }
    return true
  }

  private mutating func add(_ mentions: [PickleScanner.Mention], entry: String, origin: Int) {
    for mention in mentions {
      guard let concern = Self.concern(mention.global) else { continue }
      result.add(
        .init(
          concern: concern, module: mention.global?.module, name: mention.global?.name, entry: entry,
          byte: mention.place - origin, opcode: mention.opcode.name, isCalled: mention.isCalled))
    }
  }

  /// Nil for names that make only data.
  private static func concern(_ global: PickleGlobal?) -> FileScan.Concern? {
    guard let global else { return .hidden }
    if BlockedGlobals.contains(global) { return .unsafe }
    return DataGlobals.contains(global) ? nil : .foreign
  }

  /// Whether a name could be one, and is not two lines of something else.
  private static func isPlausible(_ mention: PickleScanner.Mention) -> Bool {
    guard let global = mention.global else { return false }
    return [global.module, global.name].allSatisfy { text in
      !text.isEmpty && !text.utf8.contains { $0 <= 0x20 || $0 == 0x7F }
    }
  }

  // MARK: Bytes of no known kind

  /// The opcodes that all attempts of a search may read together: a bound on its time.
  private static let maximumSearchOpcodeCount = 1 << 25
  private static let searchWindow = 1 << 20

  /// Looks for pickles anywhere: bytes that begin with a protocol, end with a `STOP`, and name something on the way.
  private mutating func searchPickles(_ source: ByteSource, _ range: Range<Int>, entry: String) throws {
    var opcodeCount = 0
    var position = range.lowerBound
    while position + 1 < range.upperBound {
      let window = try source.bytes(at: position, count: min(range.upperBound - position, Self.searchWindow))
      var next = position + max(window.count - 1, 1)
      for index in 0..<(window.count - 1) where Self.isProtocol([window[index], window[index + 1]]) {
        let start = position + index
        guard opcodeCount < Self.maximumSearchOpcodeCount else {
          return result.add(
            RBNError(
              .notScanned, .model,
              "holds too many beginnings of pickles; from byte \(start) on it was not searched"),
            in: entry)
        }
        let scan = try PickleScanner(
          source, start..<range.upperBound, origin: range.lowerBound, name: entry.isEmpty ? "pickle" : entry)
        // An attempt that ends at once has its cost, too.
        opcodeCount += max(scan.opcodeCount, 512)
        let mentions = scan.mentions.filter { $0.global == nil || Self.isPlausible($0) }
        guard scan.problem == nil, mentions.contains(where: { $0.global != nil }) else { continue }
        result.pickleCount += 1
        add(mentions, entry: entry, origin: range.lowerBound)
        next = scan.end
        break
      }
      position = next
    }
  }
}
