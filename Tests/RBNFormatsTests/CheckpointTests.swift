import Foundation
import RBNTensor
import Testing

@testable import RBNFormats

@Suite struct CheckpointTests {
  @Test(arguments: try CheckpointFixtures.expected().keys.sorted())
  func everyTensorIsTheOneThatTorchSaved(name: String) throws {
    let expected = try #require(try CheckpointFixtures.expected()[name])
    let arrays = try CheckpointFixtures.arrays()
    let path = CheckpointFixtures.folder.appendingPathComponent(name).path
    let state = try Checkpoint.readStateDict(from: path, stateDictKey: expected.stateDictKey)
    #expect(state.keys == expected.tensors.map(\.key))
    #expect(state.path == expected.path)
    #expect(state.strippedPrefix == expected.prefix)
    for tensor in expected.tensors {
      let found = try #require(state[tensor.key])
      let values = try #require(arrays[tensor.array])
      #expect(found.shape == values.shape, "\(tensor.key)")
      #expect(found.dtype.description == tensor.dtype, "\(tensor.key)")
      #expect(CheckpointFixtures.elements(found) == CheckpointFixtures.elements(values), "\(tensor.key)")
    }
    if let code = expected.errorWithoutKey {
      #expect(rbnError { _ = try Checkpoint.readStateDict(from: path) }?.code.rawValue == code)
    }
  }

  @Test(arguments: try CheckpointFixtures.malformed().sorted { $0.key < $1.key }.map { [$0.key, $0.value] })
  func everyDefectHasItsError(nameAndCode: [String]) throws {
    let path = CheckpointFixtures.malformedFolder.appendingPathComponent(nameAndCode[0]).path
    let error = try #require(rbnError { _ = try Checkpoint.readStateDict(from: path) })
    #expect(error.code.rawValue == nameAndCode[1], "\(error)")
    #expect(error.subject == .model)
    #expect(error.file == path)
  }

  @Test func tensorsThatShareAStorageShareIt() throws {
    for name in ["views.pth", "views-legacy.pth"] {
      let path = CheckpointFixtures.folder.appendingPathComponent(name).path
      let state = try Checkpoint.readStateDict(from: path)
      let first = try #require(state["tied.a"])
      #expect(try #require(state["tied.b"]).storage === first.storage)
      #expect(try #require(state["row"]).storage === first.storage)
    }
  }

  @Test func whatIsNoTensorIsListed() throws {
    let path = CheckpointFixtures.folder.appendingPathComponent("mixed.pth").path
    let state = try Checkpoint.readStateDict(from: path)
    #expect(state.ignored.map(\.key) == ["epoch", "args", "optimizer"])
    #expect(
      state.ignored.map(\.summary) == [
        "the number 3", "an object of argparse.Namespace", "a dict of 2 entries",
      ])
  }

  @Test func ambiguityNamesTheCandidatesAndTheWayOut() throws {
    let path = CheckpointFixtures.folder.appendingPathComponent("ambiguous.pth").path
    let error = try #require(rbnError { _ = try Checkpoint.readStateDict(from: path) })
    #expect(error.message.contains("state_dict (8 tensors), ema (8 tensors)"), "\(error)")
    #expect(error.advice?.contains("--state-dict-key ema") == true)
  }

  @Test func keysThatLeadNowhereNameWhatIsThere() throws {
    let path = CheckpointFixtures.folder.appendingPathComponent("training.pth").path
    let missing = try #require(
      rbnError { _ = try Checkpoint.readStateDict(from: path, stateDictKey: "model") })
    #expect(missing.code == .unknownStateDictKey)
    #expect(missing.subject == .usage)
    #expect(missing.advice?.contains("\"state_dict\" (a dict of 8 entries)") == true, "\(missing)")
    let scalar = try #require(
      rbnError { _ = try Checkpoint.readStateDict(from: path, stateDictKey: "epoch") })
    #expect(scalar.code == .noStateDict)
    let top = try Checkpoint.readStateDict(from: path, stateDictKey: ".")
    #expect(top.keys == ["best_acc1", "rng_state"])
    // What the search passes over can still be asked for.
    let moments = try Checkpoint.readStateDict(from: path, stateDictKey: "optimizer.state.0")
    #expect(moments.keys == ["step", "exp_avg", "exp_avg_sq"])
  }

  @Test func errorsNameTheKeyOrTheEntry() throws {
    func error(_ name: String) throws -> RBNError {
      let path = CheckpointFixtures.malformedFolder.appendingPathComponent("checkpoint-\(name).pth").path
      return try #require(rbnError { _ = try Checkpoint.readStateDict(from: path) })
    }
    #expect(try error("quantized").location == "w")
    #expect(try error("quantized").message.contains("torch._utils._rebuild_qtensor"))
    #expect(try error("opaque-tensor").message.contains("fancy.layers.PackedWeight"))
    #expect(try error("stride-out-of-range").location == "fc.weight")
    #expect(try error("crc").location == "archive/data/0")
    #expect(try error("crc").message.contains("fc.weight"))
    #expect(try error("os-system").message.contains("os.system"))
    #expect(try error("text-opcode").message.contains("INT"))
    #expect(try error("text-opcode").location == "archive/data.pkl, byte 2")
  }

  @Test func kindsAreKnownByContent() throws {
    let folder = try ScratchFolder()
    func kind(_ bytes: [UInt8]) throws -> FileKind {
      try Data(bytes).write(to: URL(fileURLWithPath: folder.file("file")))
      return try FileKind.sniff(path: folder.file("file"))
    }
    let fixtures = CheckpointFixtures.folder
    #expect(try FileKind.sniff(path: fixtures.appendingPathComponent("plain.pth").path) == .torchZip)
    #expect(try FileKind.sniff(path: fixtures.appendingPathComponent("legacy.pth").path) == .torchLegacy)
    #expect(
      try FileKind.sniff(path: fixtures.appendingPathComponent("legacy-protocol-4.pth").path) == .torchLegacy)
    #expect(try FileKind.sniff(path: fixtures.appendingPathComponent("expected.npz").path) == .npz)
    #expect(try kind([0x93] + Array("NUMPY".utf8)) == .npy)
    for (entry, expected) in [
      ("manifest.json", FileKind.bundle), ("net/archive_format", .exportedProgram),
      ("archive_format", .exportedProgram), ("serialized_exported_program.json", .exportedProgram),
    ] {
      #expect(try kind(ForgedArchive([.init(entry, [1])]).bytes) == expected)
    }
    guard case .unknown(let file) = try kind(Array("{\"a\": 1}".utf8)) else {
      Issue.record("JSON is taken for a model")
      return
    }
    #expect(file.description.contains("JSON"))
    #expect(code { _ = try FileKind.sniff(path: folder.file("missing")) } == .unreadableFile)
  }

  @Test func prefixesAreThoseThatAllKeysCarry() {
    #expect(StateDict.wrapperPrefix(of: ["module.a", "module.b"]) == "module.")
    #expect(StateDict.wrapperPrefix(of: ["_orig_mod.module._orig_mod.a"]) == "_orig_mod.module._orig_mod.")
    #expect(StateDict.wrapperPrefix(of: ["module.a", "b"]) == "")
    #expect(StateDict.wrapperPrefix(of: ["module.module.a", "module.b"]) == "module.")
    #expect(StateDict.wrapperPrefix(of: ["module."]) == "")
    #expect(StateDict.wrapperPrefix(of: ["encoder._orig_mod.a"]) == "")
    #expect(StateDict.wrapperPrefix(of: []) == "")
  }
}
