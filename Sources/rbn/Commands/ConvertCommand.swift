import ArgumentParser
import Foundation
import RBNRuntime

/// `rbn convert`: a bundle of any model.
struct ConvertCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert",
    abstract: "Writes a model as a bundle (.rbn).",
    discussion: """
      A bundle holds weights, graph, preprocessing, labels and golden tensors in one file, with a checksum of each. It \
      appears complete or not at all.

      EXAMPLES
        rbn convert resnet50.pt2 --output resnet50.rbn \\
          --preprocessing torchvision --labels classes.txt
        rbn convert checkpoint.pth --state-dict-key ema --output net.rbn \\
          --store-weights-as float16
        rbn convert net.pt2 --output net.rbn --golden net.npz \\
          --provenance licence=Apache-2.0
      """)

  enum WeightDType: String, CaseIterable, ExpressibleByArgument {
    case float32, float16, bfloat16
  }

  @Argument(help: "The model: .pth, .pt2 or .rbn.")
  var model: String

  @Option(name: .shortAndLong, help: ArgumentHelp("The bundle to write.", valueName: "file.rbn"))
  var output: String

  @Option(help: ArgumentHelp("A golden file to put into the bundle.", valueName: "file.npz"))
  var golden: String?

  @Option(
    help: ArgumentHelp(
      "Of kernels and matrices; biases, statistics and calibration weights stay float32.", valueName: "dtype"
    ))
  var storeWeightsAs = WeightDType.float32

  @Option(help: ArgumentHelp("A fact about the model's origin; again for each.", valueName: "key=value"))
  var provenance: [String] = []

  @Flag(help: "Print what was written as JSON.")
  var json = false

  @OptionGroup(title: "Images") var imageArguments: ImageArguments
  @OptionGroup(title: "Model") var modelArguments: ModelArguments

  private struct Document: Encodable {
    var schemaVersion = 1
    var file: String
    var byteCount: Int

    enum CodingKeys: String, CodingKey {
      case schemaVersion = "schema_version"
      case byteCount = "byte_count"
      case file
    }
  }

  func run() async throws {
    var conversion = ModelConversion()
    conversion.preprocessing = try imageArguments.readPreprocessing()
    conversion.labels = try imageArguments.readLabels()
    conversion.goldenPath = golden
    conversion.weightDType =
      switch storeWeightsAs {
      case .float32: .float32
      case .float16: .float16
      case .bfloat16: .bfloat16
      }
    conversion.provenance = try facts()
    try await conversion.convert(modelAt: model, to: output, options: modelArguments.options)
    let attributes = try? FileManager.default.attributesOfItem(atPath: output)
    let byteCount = (attributes?[.size] as? NSNumber)?.intValue ?? 0
    if json {
      try StandardOutput.write(json: Document(file: output, byteCount: byteCount))
    } else {
      try StandardOutput.write("\(output)  \(Format.bytes(byteCount))\n")
    }
  }

  private func facts() throws -> [String: String] {
    var facts: [String: String] = [:]
    for fact in provenance {
      guard let equals = fact.firstIndex(of: "="), equals > fact.startIndex else {
        throw ValidationError("--provenance \(fact): not of the form key=value.")
      }
      let key = String(fact[..<equals])
      guard facts.updateValue(String(fact[fact.index(after: equals)...]), forKey: key) == nil else {
        throw ValidationError("--provenance names \(key) twice.")
      }
    }
    return facts
  }
}
