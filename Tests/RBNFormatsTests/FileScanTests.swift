import Foundation
import RBNTensor
import Testing

@testable import RBNFormats

@Suite struct FileScanTests {
  private func scan(_ path: String) throws -> FileScan {
    try FileScan.scan(ByteSource(path: path, subject: .model))
  }

  private func scan(_ bytes: [UInt8]) throws -> FileScan {
    try FileScan.scan(ByteSource(TensorStorage(copying: bytes), subject: .model))
  }

  private func names(_ scan: FileScan) -> [String] {
    scan.findings.map { [$0.module, $0.name].compactMap { $0 }.joined(separator: ".") }
  }

  // MARK: What is found

  @Test(arguments: try CheckpointFixtures.expected().keys.sorted()) func checkpointsAreOnlyData(name: String)
    throws
  {
    let scan = try scan(CheckpointFixtures.folder.appendingPathComponent(name).path)
    #expect(scan.findings.isEmpty, "\(scan.findings)")
    #expect(scan.problems.isEmpty, "\(scan.problems)")
    #expect(scan.pickleCount >= 1)
    #expect(scan.kind.hasPrefix("a checkpoint of torch.save"))
  }

  @Test func everyUnsafeCheckpointIsNamed() throws {
    let unsafe = try CheckpointFixtures.malformed().filter { $0.value == "pickle.unsafe-global" }.keys
      .sorted()
    #expect(unsafe.count >= 7)
    for name in unsafe {
      let scan = try scan(CheckpointFixtures.malformedFolder.appendingPathComponent(name).path)
      #expect(scan.findings.contains { $0.concern == .unsafe }, "\(name)")
    }
  }

  @Test func aFindingHasItsPlace() throws {
    let scan = try scan(
      CheckpointFixtures.malformedFolder.appendingPathComponent("checkpoint-os-system.pth").path)
    let finding = try #require(scan.findings.first)
    #expect(scan.findings.count == 1)
    #expect(finding.module == "os" && finding.name == "system")
    #expect(finding.isCalled && finding.opcode == "GLOBAL" && finding.entry == "archive/data.pkl")
    let archive = try ZipArchive(
      contentsOf: CheckpointFixtures.malformedFolder.appendingPathComponent("checkpoint-os-system.pth").path)
    let pickle = try archive.readBytes(named: finding.entry, limit: 1 << 20)
    #expect(pickle[finding.byte...].starts(with: Array("cos\nsystem\n".utf8)))
  }

  @Test func protocolsOfAllAges() throws {
    #expect(names(try scan(Array("cos\nsystem\n(S'true'\ntR.".utf8))) == ["os.system"])
    #expect(names(try scan(Array("(S'true'\nios\nsystem\n.".utf8))) == ["os.system"])
    #expect(names(try scan(Array("(cos\nsystem\nS'true'\no.".utf8))) == ["os.system"])
    #expect(
      names(
        try scan([0x80, 4, 0x8C, 2] + Array("os".utf8) + [0x8C, 6] + Array("system".utf8) + [0x93, 0x2E]))
        == ["os.system"])
    // By the memo: the texts are stored, dropped and fetched again.
    #expect(
      names(
        try scan(
          Array("Vos\np0\n0Vsystem\np1\n0g0\ng1\n\u{93}".unicodeScalars.map { UInt8($0.value) }) + [0x2E]))
        == ["os.system"])
  }

  @Test func brokenPicklesAreNamedAsFarAsTheyGo() throws {
    let scan = try scan(Array("cos\nsystem\n(S'true'\ntR\u{7F}.".utf8))
    #expect(names(scan) == ["os.system"])
    #expect(scan.findings.first?.isCalled == true)
    #expect(scan.problems.map(\.code) == [.unknownOpcode])
  }

  @Test func hiddenNamesAreSaidToBe() throws {
    // A name that comes out of a call can't be told without the call.
    let scan = try scan([0x80, 4] + Array("cbuiltins\nstr\n)R".utf8) + [0x8C, 1, 0x78, 0x93, 0x2E])
    #expect(scan.findings.map(\.concern) == [.hidden])
    let extended = try self.scan([0x80, 2, 0x82, 7, 0x2E])
    #expect(extended.findings.map(\.concern) == [.hidden])
  }

  /// Ways to make a reader of names lose track of them.
  @Test func namesCanNotHide() throws {
    // Behind more values than are followed.
    let many = [0x80, 4] + [UInt8](repeating: 0x4E, count: 1 << 19) + Array("cos\nsystem\n.".utf8)
    #expect(try scan(many).problems.map(\.code) == [.pickleTooLarge])
    // By indices that only Python reads as numbers.
    let indices = try scan(
      Array("Vos\np 1\n0Vtorch\np 2\n0Vx\n0g 1\nVsystem\n\u{93}.".unicodeScalars.map { UInt8($0.value) }))
    #expect(!indices.problems.isEmpty)
    // In the object of a legacy stream that does without the protocol.
    let magic = [0x80, 2, 0x8A, 10] + TorchLegacyCheckpoint.magic + [0x2E]
    let legacy =
      magic + [0x80, 2, 0x4D, 0xE9, 3, 0x2E, 0x80, 2, 0x7D, 0x2E] + Array("cos\nsystem\n(tR.".utf8) + [
        0x80, 2, 0x5D, 0x2E,
      ]
    #expect(names(try scan(legacy)) == ["os.system"])
    // In an entry that is not named as a pickle.
    var writer = ZipArchiveWriter()
    try writer.add("m/data.pkl", [0x80, 2, 0x7D, 0x2E])
    try writer.add("m/data/0", Array("cos\nsystem\n(tR.".utf8))
    #expect(names(try scan(try writer.close())) == ["os.system"])
  }

  /// Numbers that happen to begin as a pickle are numbers.
  @Test func storagesAreNoPickles() throws {
    var writer = ZipArchiveWriter()
    try writer.add("m/data.pkl", [0x80, 2, 0x7D, 0x2E])
    for (index, start) in [
      [0x4E, 0x2E], [0x29, 0x2E], [0x80, 2], [0x80, 2, 0, 0], [0x63, 0x10, 10, 0x11, 10],
    ].enumerated() {
      try writer.add("m/data/\(index)", start.map { UInt8($0) } + [UInt8](repeating: 0xC3, count: 64))
    }
    let scan = try scan(try writer.close())
    #expect(scan.findings.isEmpty && scan.problems.isEmpty && scan.pickleCount == 1, "\(scan.problems)")
  }

  @Test func foreignAndUnsafeNamesAreTold() throws {
    let scan = try scan(
      [0x80, 2] + Array("cfancy.layers\nThing\n0ctorch\nFloatStorage\n0csubprocess\nPopen\n.".utf8))
    #expect(scan.findings.map(\.concern) == [.foreign, .unsafe])
    #expect(scan.findings.map(\.isCalled) == [false, false])
  }

  @Test func archivesInArchives() throws {
    var inner = ZipArchiveWriter()
    try inner.add("data.pkl", Array("cos\nsystem\n(S'true'\ntR.".utf8))
    var outer = ZipArchiveWriter()
    try outer.add("weights/0", [1, 2, 3])
    try outer.add("payload.bin", try inner.close())
    let scan = try scan(try outer.close())
    #expect(names(scan) == ["os.system"])
    #expect(scan.findings.first?.entry == "payload.bin!/data.pkl")
  }

  @Test func archivesNestedTooDeeplyAreAProblem() throws {
    var bytes: [UInt8] = Array("N.".utf8)
    for _ in 0..<12 {
      var writer = ZipArchiveWriter()
      try writer.add("x.pkl", bytes)
      bytes = try writer.close()
    }
    #expect(try scan(bytes).problems.contains { $0.code == .notScanned })
  }

  @Test func programsAreMoreThanData() throws {
    let scan = try scan(MalformedFixtures.path("checkpoint-torchscript.pt"))
    #expect(scan.kind == "a TorchScript program")
    #expect(scan.findings.map(\.concern) == [.program])
  }

  @Test(arguments: [
    "network.pt2", "tiny.rbn", "numpy.npz", "numpy-compressed.npz", "version1.npy", "state.pth",
  ])
  func otherFormatsAreOnlyData(name: String) throws {
    let scan = try scan(TestData.fixture(name))
    #expect(scan.findings.isEmpty && scan.problems.isEmpty, "\(scan.findings) \(scan.problems)")
  }

  @Test func filesOfOtherKindsAreAProblem() throws {
    for name in ["checkpoint-hdf5.pth", "checkpoint-html.pth", "checkpoint-empty.pth", "checkpoint-tar.pth"] {
      let scan = try scan(MalformedFixtures.path(name))
      #expect(scan.findings.isEmpty && !scan.problems.isEmpty, "\(name)")
    }
    #expect(rbnError { _ = try scan("/nowhere") }?.code == .unreadableFile)
  }

  /// A file that begins as nothing that is known, with a pickle somewhere inside.
  @Test func picklesAreFoundAnywhere() throws {
    let pickle: [UInt8] = [0x80, 2] + Array("cos\nsystem\n(X\u{4}\0\0\0truetR.".utf8)
    for offset in [0, 1, 513, 1 << 20 - 1, 1 << 20, 3 << 20] {
      let scan = try scan([UInt8](repeating: 0x11, count: offset) + [0x80, 0x80] + pickle + [1, 2, 3])
      #expect(names(scan) == ["os.system"], "\(offset)")
      #expect(scan.findings.first?.byte == offset + 4, "\(offset)")
    }
  }

  @Test func searchEndsInTime() throws {
    let beginnings = [UInt8]((0..<1 << 21).map { $0 % 3 == 0 ? 0x80 : $0 % 3 == 1 ? 2 : 0xFF })
    let scan = try scan([0x11] + beginnings)
    #expect(scan.problems.contains { $0.message.contains("too many beginnings") })
  }

  // MARK: The corpus of a scanner

  /// Every malicious file of picklescan's tests is named, and its benign ones pass.
  @Test(.enabled(if: CheckpointCorpus.isThere, "the data beside the checkout are absent"))
  func corpusOfPicklescan() throws {
    // Files that only hold data, or nothing that a pickle would be.
    let benign = [
      "benign0_v0.pkl", "benign0_v3.pkl", "benign0_v4.pkl", "new_pytorch_model.bin", "pytorch_model.bin",
      "int_array.npy",
      "int_arrays.npz", "int_arrays_compressed.npz", "object_array.npy", "object_arrays.npz",
      "object_arrays_compressed.npz",
    ]
    // No pickle is in them, and they are of no kind that is read: an encrypted zip, the head of a PNG, text.
    let unreadable = ["benign_password_protected.zip", "bad_pytorch.pt", "not_a_pickle.bin"]
    for url in try CheckpointCorpus.scannerFiles() {
      let name = url.lastPathComponent
      let scan = try scan(url.path)
      let said: Comment = "\(name): \(names(scan)) \(scan.problems)"
      if benign.contains(name) {
        #expect(scan.findings.isEmpty && scan.problems.isEmpty, said)
      } else if unreadable.contains(name) {
        #expect(scan.findings.isEmpty && !scan.problems.isEmpty, said)
      } else {
        #expect(!scan.findings.isEmpty, said)
      }
    }
  }
}
