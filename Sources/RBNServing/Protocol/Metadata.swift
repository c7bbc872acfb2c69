#if Serving
import RBNFormats
import RBNRuntime

/// What the protocol's metadata requests give.
enum Metadata {
  static let server: JSONValue = [
    "name": "rbn-server",
    "version": .string(RBNVersion.current),
    "extensions": ["binary_tensor_data", "classification", "model_repository"],
  ]

  static func model(_ loaded: LoadedModel, versions: [String]) -> JSONValue {
    [
      "name": .string(loaded.key.name),
      "versions": .array(versions.map { .string($0) }),
      "platform": "swift_rbn",
      "inputs": .array(loaded.model.inputs.map(tensor)),
      "outputs": .array(loaded.outputs.map(tensor)),
    ]
  }

  private static func tensor(_ description: TensorDescription) -> JSONValue {
    [
      "name": .string(description.name),
      "datatype": .string(DataType(description.dtype).rawValue),
      "shape": .integers(description.shape.map { $0 ?? -1 }),
    ]
  }

  static func index(_ models: [ModelRepository.Status]) -> JSONValue {
    .array(
      models.map { status in
        [
          "name": .string(status.key.name),
          "version": .string(status.key.version),
          "state": .string(status.state.rawValue),
          "reason": .string(status.reason ?? ""),
        ]
      })
  }

  static func classifications(_ classes: [Classification], _ loaded: LoadedModel) -> JSONValue {
    [
      "model_name": .string(loaded.key.name),
      "model_version": .string(loaded.key.version),
      "predictions": .array(
        classes.map { entry in
          var members = JSONObject([
            ("index", .int(Int64(entry.index))),
            ("label", .string(entry.identifier)),
            ("probability", number(entry.confidence)),
          ])
          members["logit"] = entry.logit.map(number)
          return .object(members)
        }),
    ]
  }

  /// With the digits of the float, not those of the double that it converts to.
  private static func number(_ value: Float) -> JSONValue {
    .double(Double(value.description) ?? Double(value))
  }
}
#endif
