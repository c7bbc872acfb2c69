import RBNFormats

/// A preprocessing as JSON, in bundles and in the files that `rbn` and `tools/export.py` take:
///
///     {"resize": {"mode": "shorter-edge", "size": 256}, "interpolation": "bilinear", "crop": [224, 224],
///      "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "channels": 3, "exif_orientation": false}
///
/// `resize.mode` is `none`, `shorter-edge` (with the edge as `size`) or `squash` (with [height, width]); `crop` may be
/// null; `exif_orientation` may be absent.
extension ImagePreprocessing {
  private static let keys: Set<String> = [
    "resize", "interpolation", "crop", "mean", "std", "channels", "exif_orientation",
  ]

  /// Reads a preprocessing that JSON describes.
  ///
  /// - Throws: `json.…` errors, `preprocessing.invalid`; both of subject usage.
  public init(json: String) throws {
    do {
      let root = try JSONValue.parse(Array(json.utf8), document: "preprocessing")
      // What tools/export.py writes beside a program holds the preprocessing under its name.
      try self.init(JSONNode(root["preprocessing"] ?? root, document: "preprocessing"))
    } catch var error as RBNError {
      error.subject = .usage
      throw error
    }
  }

  /// - Throws: `json.unexpected-value`, `preprocessing.invalid`, of subject model.
  init(_ root: JSONNode) throws {
    let members = try root.members()
    if let unknown = members.first(where: { !Self.keys.contains($0.key) }) {
      throw root.failure(
        "the key \(unknown.key.debugDescription) is not known", .invalidPreprocessing,
        advice: "the keys are \(Self.keys.sorted().joined(separator: ", "))")
    }
    let filter = try root.member("interpolation")
    guard let interpolation = Interpolation(rawValue: try filter.string()) else {
      throw filter.failure(
        "the interpolation is not one of \(Interpolation.allCases.map(\.rawValue).joined(separator: ", "))",
        .invalidPreprocessing)
    }
    func floats(_ key: String) throws -> [Float] { try root.member(key).list { Float(try $0.double()) } }
    self.init(
      resize: try Self.resize(root.member("resize")), interpolation: interpolation,
      crop: try root.optionalMember("crop").map(Self.size), mean: try floats("mean"),
      standardDeviation: try floats("std"), channels: try root.member("channels").int(),
      appliesEXIFOrientation: try root.optionalMember("exif_orientation")?.bool() ?? false)
    do {
      try validate()
    } catch var error as RBNError {
      error.subject = .model
      throw error.at(root.place)
    }
  }

  private static func resize(_ node: JSONNode) throws -> Resize {
    let mode = try node.member("mode")
    switch try mode.string() {
    case "none": return .none
    case "shorter-edge": return .shorterEdge(try node.member("size").int())
    case "squash":
      let size = try size(node.member("size"))
      return .squash(height: size.height, width: size.width)
    default:
      throw mode.failure("the mode is not none, shorter-edge or squash", .invalidPreprocessing)
    }
  }

  private static func size(_ node: JSONNode) throws -> Size {
    let sides = try node.list { try $0.int() }
    guard sides.count == 2 else { throw node.expected("[height, width]") }
    return Size(height: sides[0], width: sides[1])
  }

  /// The description that ``init(json:)`` reads.
  public var json: String { jsonValue.text(.pretty) }

  var jsonValue: JSONValue {
    let resizeValue: JSONValue =
      switch resize {
      case .none: ["mode": "none"]
      case .shorterEdge(let edge): ["mode": "shorter-edge", "size": .int(Int64(edge))]
      case .squash(let height, let width): ["mode": "squash", "size": .integers([height, width])]
      }
    // The shortest decimal that reads back as the same Float, not the longer one of its Double.
    func floats(_ values: [Float]) -> JSONValue {
      .array(values.map { .double(Double("\($0)") ?? Double($0)) })
    }
    return [
      "resize": resizeValue, "interpolation": .string(interpolation.rawValue),
      "crop": crop.map { .integers([$0.height, $0.width]) } ?? .null, "mean": floats(mean),
      "std": floats(standardDeviation), "channels": .int(Int64(channels)),
      "exif_orientation": .bool(appliesEXIFOrientation),
    ]
  }
}
