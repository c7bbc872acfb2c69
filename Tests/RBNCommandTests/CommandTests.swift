import Foundation
import Testing

@Suite struct CommandTests {
  static let digits = Command.fixture("digits/digits-rbn.rbn")
  static let images = Command.fixture("digits/images")

  private func json(_ text: String) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
  }

  private func withFolder(_ body: (String) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("rbn-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try body(folder.path)
  }

  // MARK: predict

  @Test func predictPrintsATable() throws {
    let result = try Command.run(["predict", Self.digits, Self.images, "--top-k", "1"])
    #expect(result.status == 0)
    #expect(result.errors.isEmpty)
    let lines = result.output.split(separator: "\n")
    #expect(lines.count == 21)
    #expect(lines[0].hasPrefix("image"))
    for line in lines.dropFirst() {
      let name = try #require(line.split(separator: " ").first).split(separator: "/").last ?? ""
      let truth = try #require(name.dropLast(4).last)
      #expect(line.split(separator: " ")[1] == "\(truth)", "\(line)")
    }
  }

  @Test func predictWritesEveryFormat() throws {
    let image = Self.images + "/0011-is-1.png"
    let document = try json(
      try Command.run(["predict", Self.digits, image, "--json", "--logits", "--top-k", "2"]).output)
    #expect(document["schema_version"] as? Int == 1)
    let first = try #require((document["images"] as? [[String: Any]])?.first)
    #expect(first["image"] as? String == image)
    let predictions = try #require(first["predictions"] as? [[String: Any]])
    #expect(predictions.count == 2)
    #expect(predictions[0]["label"] as? String == "1")
    #expect(predictions[0]["index"] as? Int == 1)
    #expect(predictions[0]["logit"] is Double && predictions[0]["probability"] is Double)

    let lines = try Command.run(["predict", Self.digits, Self.images, "--format", "jsonl"]).output.split(
      separator: "\n")
    #expect(lines.count == 20)
    for line in lines { #expect(try json(String(line))["predictions"] is [[String: Any]]) }

    let csv = try Command.run(["predict", Self.digits, image, "--format", "csv", "--top-k", "3"]).output
    let rows = csv.split(separator: "\n")
    #expect(rows.count == 4)
    #expect(rows[0] == "image,rank,index,label,probability")
    #expect(rows[1].hasPrefix("\(image),1,1,1,0.97"))

    let table = try Command.run(["predict", Self.digits, image, "--index", "--logits"]).output
    #expect(table.hasPrefix("image") && table.contains("index") && table.contains("logit"))
  }

  @Test func predictReadsPatternsListsAndBatches() throws {
    let all = try Command.run(["predict", Self.digits, Self.images, "--format", "csv"]).output
    let pattern = try Command.run(["predict", Self.digits, Self.images + "/0*.png", "--format", "csv"])
    #expect(pattern.output == all)
    let listed = try Command.run(["predict", Self.digits, "-", "--format", "csv"], input: Self.images + "\n")
    #expect(listed.output == all)
    let batches = try Command.run([
      "predict", Self.digits, Self.images, "--format", "csv", "--batch-size", "7",
    ])
    #expect(batches.output == all)
  }

  @Test func oneBadImageDoesNotStopTheOthers() throws {
    let good = Self.images + "/0011-is-1.png"
    for batch in ["1", "3"] {
      let result = try Command.run([
        "predict", Self.digits, "/nowhere.png", good, Command.fixture("README.md"), "/no*match.png",
        "--format", "jsonl",
        "--batch-size", batch,
      ])
      #expect(result.status == 4)
      let records = try result.output.split(separator: "\n").map { try json(String($0)) }
      #expect(records.map { $0["error"] == nil } == [false, true, false, false])
      #expect(
        records.map { $0["image"] as? String } == [
          "/nowhere.png", good, Command.fixture("README.md"), "/no*match.png",
        ])
      #expect(result.errors.split(separator: "\n").count == 3)
      #expect(result.errors.contains("/nowhere.png"))
    }
  }

  @Test func predictOptionsCompleteABareModel() throws {
    let checkpoint = Command.fixture("digits/digits-rbn.pth")
    let image = Self.images + "/0011-is-1.png"
    let bare = try Command.run(["predict", checkpoint, image])
    #expect(bare.status == 2)
    #expect(bare.errors.contains("preprocessing"))
    let full = try Command.run([
      "predict", checkpoint, image, "--preprocessing", Command.fixture("digits/preprocessing.json"),
      "--labels",
      Command.fixture("digits/labels.txt"), "--architecture", "resnet20", "--threads", "1",
      "--instruction-set",
      "portable", "--disable-pass", "fuse-epilogues", "--format", "csv", "--top-k", "1",
    ])
    #expect(full.status == 0, "\(full.errors)")
    #expect(full.output.contains(",1,1,1,0.97"))
  }

  // MARK: run and verify

  @Test func runWritesTheOutputsByName() throws {
    try withFolder { folder in
      let output = folder + "/out.npz"
      let golden = Command.fixture("digits/digits-rbn.npz")
      let result = try Command.run(["run", Self.digits, "--input", golden, "--output", output, "--json"])
      #expect(result.status == 0, "\(result.errors)")
      let summary = try #require((try json(result.output)["outputs"] as? [[String: Any]])?.first)
      #expect(summary["shape"] as? [Int] == [1, 10])
      #expect(FileManager.default.fileExists(atPath: output))
      let array = try Command.run([
        "run", Self.digits, "--input", "x=" + golden, "--output", folder + "/out.npy",
      ])
      #expect(array.status == 4)
      #expect(array.errors.contains("53 tensors"))
      let table = try Command.run(["run", Self.digits, "--input", golden, "--output", folder + "/out.npy"])
      #expect(table.status == 0)
      #expect(table.output.contains("(1, 10)"))
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == ["out.npy", "out.npz"])
    }
  }

  @Test func verifyPassesAndFailsByExitStatus() throws {
    let golden = Command.fixture("digits/digits-rbn.npz")
    let pass = try Command.run(["verify", Self.digits, golden])
    #expect(pass.status == 0)
    #expect(pass.output.contains("PASS: 52 tensors agree"))
    let strict = try Command.run(["verify", Self.digits, golden, "--of-largest", "0"])
    #expect(strict.status == 1)
    #expect(strict.output.contains("FAIL: the first layer that departs is bn1\n"))
    let document = try json(
      try Command.run(["verify", Self.digits, golden, "--of-largest", "0", "--json"]).output)
    #expect(document["passed"] as? Bool == false)
    #expect(document["first_departure"] as? String == "bn1")
    let all = try Command.run(["verify", Self.digits, golden, "--all"])
    #expect(all.output.split(separator: "\n").count { $0.hasPrefix("ok") } == 52)
    #expect(try Command.run(["verify", Self.digits]).status == 4)
    #expect(try Command.run(["verify", Self.digits, "/nowhere.npz"]).status == 4)
  }

  // MARK: convert and inspect

  @Test func convertWritesABundleThatStandsAlone() throws {
    try withFolder { folder in
      let bundle = folder + "/digits.rbn"
      let result = try Command.run([
        "convert", Command.fixture("digits/digits-rbn.pt2"), "--output", bundle, "--labels",
        Command.fixture("digits/labels.txt"), "--preprocessing", Command.fixture("digits/preprocessing.json"),
        "--golden", Command.fixture("digits/digits-rbn.npz"), "--store-weights-as", "float16", "--provenance",
        "licence=Apache-2.0",
      ])
      #expect(result.status == 0, "\(result.errors)")
      #expect(try Command.run(["verify", bundle]).status == 0)
      let prediction = try Command.run(["predict", bundle, Self.images + "/0011-is-1.png", "--top-k", "1"])
      #expect(prediction.output.contains("97.01 %"))
      let inspection = try json(try Command.run(["inspect", bundle, "--json"]).output)
      let content = try #require(inspection["inspection"] as? [String: Any])
      #expect((content["provenance"] as? [String: String])?["licence"] == "Apache-2.0")
    }
  }

  @Test func inspectPrintsTables() throws {
    let result = try Command.run(["inspect", Self.digits, "--tensors", "--layers", "--plan"])
    #expect(result.status == 0)
    for text in [
      "layer3.2.bn2.center_weight", "aten.conv2d.default", "fused.conv2d + rbn + residual", "RBN layers",
      "mean after",
    ] {
      #expect(result.output.contains(text))
    }
    let operators = try Command.run(["inspect", "--operators"]).output.split(separator: "\n")
    #expect(operators.contains("aten.conv2d.default"))
    let architectures = try Command.run(["inspect", "--architectures", "--json"]).output
    #expect((try json(architectures)["architectures"] as? [String])?.contains("resnet50") == true)
  }

  /// A document that Graphviz takes: balanced, with one box an operation, each reached by an arrow.
  @Test(arguments: ["layers", "plan"]) func inspectDrawsTheGraph(which: String) throws {
    let result = try Command.run(["inspect", Self.digits, "--dot", which])
    #expect(result.status == 0 && result.errors.isEmpty)
    let lines = result.output.split(separator: "\n")
    #expect(lines.first == "digraph network {" && lines.last == "}")
    let arrows = lines.filter { $0.contains(" -> ") }
    let boxes = lines.filter { $0.hasPrefix("  \"") && !$0.contains(" -> ") && !$0.contains("shape=ellipse") }
    let targets = Set(arrows.compactMap { $0.split(separator: " -> ").last?.split(separator: " ").first })
    for box in boxes { #expect(targets.contains(box.split(separator: " ")[0]), "\(box)") }
    #expect(boxes.count >= 20)
    #expect(arrows.count >= boxes.count + 1)
    #expect(result.output.contains(#"[label="layer1.0.conv1\n"#))
    #expect(
      result.output.contains(#"[label="layer1.0.bn1\naten.batch_norm.default"]"#) == (which == "layers"))
    let both = try Command.run(["inspect", Self.digits, "--dot", which, "--json"])
    #expect(both.status == 2)
    let none = try Command.run(["inspect", Command.fixture("checkpoints/plain.pth"), "--dot", which])
    #expect(none.status == 3 && none.output.isEmpty)
  }

  // MARK: usage

  @Test(arguments: [
    [], ["predict"], ["predict", "model.rbn"], ["frobnicate"], ["inspect"], ["run", "m.pth"],
    ["predict", digits, images, "--top-k", "0"], ["predict", digits, images, "--format", "xml"],
    ["predict", digits, images, "--threads", "0"], ["predict", digits, images, "--labels", "/nowhere.txt"],
    ["predict", digits, images, "--preprocessing", "{}"], ["inspect", digits, "--operators"],
    ["inspect", digits, "--architecture", "resnet20"], ["inspect", digits, "--disable-pass", "none"],
    ["convert", digits], ["convert", digits, "-o", "/tmp/x.rbn", "--provenance", "novalue"],
    ["run", digits, "--input", "x.npy", "--output", "out.txt"], ["verify", digits, "--atol", "-1"],
  ]) func wrongUsageIsExitStatus2(arguments: [String]) throws {
    let result = try Command.run(arguments)
    // Without a command, help is printed: there is nothing to do wrong.
    #expect(result.status == (arguments.isEmpty ? 0 : 2), "\(result.errors)")
    if !arguments.isEmpty { #expect(result.output.isEmpty && !result.errors.isEmpty) }
  }

  @Test func helpHasExamplesAndExitStatuses() throws {
    let help = try Command.run(["--help"])
    #expect(help.status == 0)
    #expect(help.output.contains("EXIT STATUS"))
    for command in ["predict", "run", "verify", "inspect", "convert", "bench", "scan"] {
      let result = try Command.run(["help", command])
      #expect(result.status == 0)
      #expect(result.output.contains("EXAMPLES"), "\(command)")
    }
    #expect(try Command.run(["--version"]).output == "0.1.0\n")
    #expect(try Command.run(["--generate-completion-script", "bash"]).output.contains("rbn"))
  }

  @Test func missingAndWrongModelsAreExitStatus3() throws {
    for model in [
      "/nowhere.pth", Command.fixture("README.md"), Command.fixture("digits/heldout.npz"), Self.images,
    ] {
      let result = try Command.run(["predict", model, Self.images])
      #expect(result.status == 3, "\(model)")
      #expect(result.errors.hasPrefix("rbn: error: \(model): "))
      #expect(result.output.isEmpty)
    }
  }

  @Test func missingInputsAreExitStatus4() throws {
    #expect(try Command.run(["predict", Self.digits, "/nowhere.png"]).status == 4)
    #expect(try Command.run(["run", Self.digits, "--input", "/nowhere.npy"]).status == 4)
    #expect(try Command.run(["predict", Self.digits, "-"], input: "").status == 4)
    #expect(try Command.run(["convert", Self.digits, "-o", "/nowhere/x.rbn"]).status == 4)
  }
}
