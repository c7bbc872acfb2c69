import RBNTensor

@testable import RBNGraph

/// State dicts of zeros with the keys and shapes that torchvision and pytorch_resnet_cifar10 save, spelled out here
/// independently of the builders. All tensors share one block of memory.
struct StateDict {
  enum Norm {
    case batchNorm, representative
    var names: [String] {
      let plain = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
      return self == .batchNorm ? plain : plain + ["center_weight", "scale_weight", "scale_bias"]
    }
  }

  var shapes: [(key: String, shape: [Int])] = []
  private let norm: Norm

  static func torchvision(
    expansion: Int, depths: [Int], groups: Int = 1, width: Int = 64, classes: Int = 1000,
    norm: Norm = .batchNorm
  ) -> StateDict {
    var dict = StateDict(norm: norm)
    dict.convolution("conv1", [64, 3, 7, 7])
    dict.normalisation("bn1", 64)
    var input = 64
    for (stage, depth) in depths.enumerated() {
      let planes = [64, 128, 256, 512][stage]
      let inner = expansion == 1 ? planes : width * planes / 64
      for index in 0..<depth {
        let path = "layer\(stage + 1).\(index)"
        if expansion == 1 {
          dict.convolution("\(path).conv1", [planes, input, 3, 3])
          dict.convolution("\(path).conv2", [planes, planes, 3, 3])
        } else {
          dict.convolution("\(path).conv1", [inner, input, 1, 1])
          dict.convolution("\(path).conv2", [inner, inner / groups, 3, 3])
          dict.convolution("\(path).conv3", [planes * 4, inner, 1, 1])
          dict.normalisation("\(path).bn3", planes * 4)
        }
        dict.normalisation("\(path).bn1", inner)
        dict.normalisation("\(path).bn2", inner)
        if input != planes * expansion {
          dict.convolution("\(path).downsample.0", [planes * expansion, input, 1, 1])
          dict.normalisation("\(path).downsample.1", planes * expansion)
        }
        input = planes * expansion
      }
    }
    dict.shapes += [("fc.weight", [classes, input]), ("fc.bias", [classes])]
    return dict
  }

  static func cifar(
    depth: Int, projections: Bool = false, channels: Int = 3, norm: Norm = .batchNorm
  ) -> StateDict {
    var dict = StateDict(norm: norm)
    dict.convolution("conv1", [16, channels, 3, 3])
    dict.normalisation("bn1", 16)
    var input = 16
    for (stage, planes) in [16, 32, 64].enumerated() {
      for index in 0..<depth {
        let path = "layer\(stage + 1).\(index)"
        dict.convolution("\(path).conv1", [planes, input, 3, 3])
        dict.normalisation("\(path).bn1", planes)
        dict.convolution("\(path).conv2", [planes, planes, 3, 3])
        dict.normalisation("\(path).bn2", planes)
        if projections, input != planes {
          dict.convolution("\(path).shortcut.0", [planes, input, 1, 1])
          dict.normalisation("\(path).shortcut.1", planes)
        }
        input = planes
      }
    }
    dict.shapes += [("linear.weight", [10, 64]), ("linear.bias", [10])]
    return dict
  }

  private init(norm: Norm) { self.norm = norm }

  private mutating func convolution(_ path: String, _ shape: [Int]) {
    shapes.append(("\(path).weight", shape))
  }

  private mutating func normalisation(_ path: String, _ channels: Int) {
    for name in norm.names {
      let isCalibration = name.hasPrefix("center") || name.hasPrefix("scale")
      let shape = name == "num_batches_tracked" ? [] : isCalibration ? [1, channels, 1, 1] : [channels]
      shapes.append(("\(path).\(name)", shape))
    }
  }

  mutating func remove(_ matches: (String) -> Bool) { shapes.removeAll { matches($0.key) } }

  mutating func set(_ key: String, _ shape: [Int]) {
    remove { $0 == key }
    shapes.append((key, shape))
  }

  func tensors() throws -> [(key: String, tensor: Tensor)] {
    let largest = try shapes.map { try Shape($0.shape).byteCount(of: .float32) }.max() ?? 0
    let storage = try TensorStorage(byteCount: max(largest, 8))
    storage.bytes.initializeMemory(as: UInt8.self, repeating: 0)
    return try shapes.map { key, shape in
      let dtype: DType = key.hasSuffix("num_batches_tracked") ? .int64 : .float32
      return (key, try Tensor(shape: Shape(shape), dtype: dtype, storage: storage))
    }
  }
}

/// Reading graphs in tests.
extension Graph {
  var opNames: [String] {
    nodes.map { $0.op.name.split(separator: ".").dropFirst().first.map(String.init) ?? "" }
  }

  /// `name = op(inputs)` for each node.
  var lines: [String] {
    nodes.map { node in
      let inputs = node.inputs.map { $0.map { self[$0].name } ?? "-" }.joined(separator: ", ")
      return "\(self[node.outputs[0]].name) = \(node.op.name.split(separator: ".")[1])(\(inputs))"
    }
  }

  func outputShapes(_ shapes: Shape...) throws -> [Shape] {
    let types = try inferTypes(inputShapes: shapes)
    return outputs.compactMap { types[$0.value.index]?.shape }
  }
}
