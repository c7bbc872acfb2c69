import RBNGraph
import RBNTensor

/// Means and variances of the channels of an image-like tensor (N, C, …).
private struct ChannelStatistics {
  let x: ReferenceTensor
  var batch: Int { x.shape[0] }
  var channels: Int { x.shape[1] }
  var pixels: Int { x.shape.dropFirst(2).reduce(1, *) }

  func values(_ n: Int, _ c: Int) -> ArraySlice<Double> {
    x.values[((n * channels + c) * pixels)...].prefix(pixels)
  }

  /// The mean over the pixels, for each instance and channel.
  var instanceMeans: [[Double]] {
    (0..<batch).map { n in (0..<channels).map { c in values(n, c).reduce(0, +) / Double(pixels) } }
  }

  /// The mean and the biased variance over instances and pixels, for each channel.
  var batchStatistics: (mean: [Double], variance: [Double]) {
    var (means, variances): ([Double], [Double]) = ([], [])
    for c in 0..<channels {
      let all = (0..<batch).flatMap { values($0, c) }
      let mean = all.reduce(0, +) / Double(all.count)
      means.append(mean)
      variances.append(all.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(all.count))
    }
    return (means, variances)
  }

  func map(_ function: (Double, _ n: Int, _ c: Int) -> Double) -> ReferenceTensor {
    var result = x
    for n in 0..<batch {
      for c in 0..<channels {
        for i in ((n * channels + c) * pixels)..<((n * channels + c + 1) * pixels) {
          result.values[i] = function(x.values[i], n, c)
        }
      }
    }
    return result
  }
}

extension BatchNorm: ReferenceOperator {
  /// out = weight · (x − mean) / sqrt(variance + eps) + bias.
  package func evaluate(_ inputs: [ReferenceTensor?]) throws -> [ReferenceTensor] {
    let statistics = ChannelStatistics(x: try value(inputs, 0))
    let count = statistics.channels
    let weight = channels(inputs, 1, count: count, absent: 1)
    let bias = channels(inputs, 2, count: count, absent: 0)
    let hasRunning = inputs.count > 4 && inputs[3] != nil
    let (mean, variance) =
      hasRunning
      ? (channels(inputs, 3, count: count, absent: 0), channels(inputs, 4, count: count, absent: 1))
      : statistics.batchStatistics
    return [
      statistics.map { value, _, c in
        weight[c] * (value - mean[c]) / (variance[c] + eps).squareRoot() + bias[c]
      }
    ]
  }
}

extension RepresentativeBatchNorm: ReferenceOperator {
  /// The five equations of the type's description, one after the other.
  package func evaluate(_ inputs: [ReferenceTensor?]) throws -> [ReferenceTensor] {
    let x = ChannelStatistics(x: try value(inputs, 0))
    let count = x.channels
    let centerWeight = channels(inputs, 3, count: count, absent: 0)
    let means = x.instanceMeans
    let centred = ChannelStatistics(x: x.map { value, n, c in value + centerWeight[c] * means[n][c] })

    let hasRunning = inputs.count > 7 && inputs[6] != nil
    let (mean, variance) =
      hasRunning
      ? (channels(inputs, 6, count: count, absent: 0), channels(inputs, 7, count: count, absent: 1))
      : centred.batchStatistics
    let y = ChannelStatistics(
      x: centred.map { value, _, c in (value - mean[c]) / (variance[c] + eps).squareRoot() })

    let representative = y.instanceMeans
    let isScaling = inputs.count > 5 && inputs[4] != nil
    let scaleWeight = channels(inputs, 4, count: count, absent: 0)
    let scaleBias = channels(inputs, 5, count: count, absent: 0)
    let weight = channels(inputs, 1, count: count, absent: 1)
    let bias = channels(inputs, 2, count: count, absent: 0)
    return [
      y.map { value, n, c in
        let s = isScaling ? logistic(scaleWeight[c] * representative[n][c] + scaleBias[c]) : 1
        return weight[c] * s * value + bias[c]
      }
    ]
  }
}

extension InstanceAffine: ReferenceOperator {
  /// activation(a · x + d + residual), with a and d of the type's description.
  package func evaluate(_ inputs: [ReferenceTensor?]) throws -> [ReferenceTensor] {
    let x = ChannelStatistics(x: try value(inputs, 0))
    let coefficients = try value(inputs, 1)
    let means = x.instanceMeans
    var result = x.map { value, n, c in
      func row(_ row: Row) -> Double { coefficients[[row.rawValue, c]] }
      let m = means[n][c]
      let s = hasSigmoid ? logistic(row(.p) * m + row(.q)) : 0
      let a = row(.alpha) * s + row(.alpha0)
      let d = s * (row(.gamma) * m + row(.delta)) + row(.gamma0) * m + row(.beta)
      return a * value + d
    }
    if inputs.count > 2, let residual = inputs[2] {
      result.values = zip(result.values, residual.values).map { $0 + $1 }
    }
    if let activation { result.values = result.values.map(activation.reference) }
    return [result]
  }
}
