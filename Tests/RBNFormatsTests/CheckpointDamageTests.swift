import Foundation
import RBNTensor
import Testing

@testable import RBNFormats

/// Every fixture damaged in seeded ways: each gives an error or a state dict, and nothing else.
@Suite struct CheckpointDamageTests {
  /// Reads bytes as a checkpoint; false when they are refused.
  private func isRead(_ bytes: [UInt8]) throws -> Bool {
    do {
      let source = try ByteSource(TensorStorage(copying: bytes), subject: .model)
      let state = try Checkpoint.readStateDict(from: source)
      for entry in state.entries { #expect(entry.tensor.byteCount <= bytes.count * 64, "\(entry.key)") }
      return true
    } catch let error as RBNError {
      #expect(error.subject == .model, "\(error)")
      return false
    }
  }

  @Test(arguments: try CheckpointFixtures.files()) func damagedFilesAreRefusedOrRead(file: URL) throws {
    let bytes = [UInt8](try Data(contentsOf: file))
    guard !bytes.isEmpty else { return }
    var random = SeededGenerator(seed: UInt64(bytes.count))
    for _ in 0..<60 {
      var damaged = bytes
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        damaged[Int.random(in: damaged.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      _ = try isRead(damaged)
    }
    for _ in 0..<20 {
      _ = try isRead(Array(bytes.prefix(Int.random(in: 0..<bytes.count, using: &random))))
    }
  }

  /// Damage within the pickle and nowhere else, which checksums would hide: only zips without them get this far.
  @Test(arguments: [
    "plain.pth", "training.pth", "views.pth", "parameters.pth", "unsigned.pth", "protocol-4.pth",
  ])
  func damagedPicklesAreRefusedOrRead(name: String) throws {
    let path = CheckpointFixtures.folder.appendingPathComponent(name).path
    let archive = try ZipArchive(contentsOf: path)
    var entries = try archive.entries.map { ForgedArchive.Entry($0.name, try archive.read($0).array) }
    let index = try #require(entries.firstIndex { $0.payload.first == 0x80 && $0.payload.last == 0x2E })
    let pickle = entries[index].payload
    for position in entries.indices { entries[position].crc = 0 }
    var random = SeededGenerator(seed: 5)
    var readCount = 0
    for _ in 0..<600 {
      var damaged = pickle
      damaged[Int.random(in: damaged.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
      if Bool.random(using: &random) {
        damaged.remove(at: Int.random(in: damaged.indices, using: &random))
      }
      entries[index].payload = damaged
      entries[index].size = damaged.count
      entries[index].compressedSize = damaged.count
      if try isRead(ForgedArchive(entries).bytes) { readCount += 1 }
    }
    // Damage to names of devices and to keys is no damage to the form.
    #expect(readCount > 0)
    #expect(readCount < 600)
  }
}
