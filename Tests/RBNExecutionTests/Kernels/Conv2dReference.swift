@testable import RBNExecution

/// A convolution in double precision, as plain as it can be, and what it takes to bound a float's error.
struct Conv2dReference {
  var outputHeight: Int
  var outputWidth: Int
  /// (N, H, W, C).
  var values: [Double]
  /// Σ |x · w| + |bias|.
  var magnitudes: [Double]

  /// - Parameters:
  ///   - x: (N, H, W, C).
  ///   - weight: (O, I, H, W).
  init(
    x: [Float], batch: Int, height: Int, width: Int, weight: [Float], bias: [Float]?, _ p: Conv2dParameters
  ) throws {
    let size = try p.outputSize(height: height, width: width)
    outputHeight = size.height
    outputWidth = size.width
    values = []
    magnitudes = []
    values.reserveCapacity(batch * size.height * size.width * p.outChannels)
    magnitudes.reserveCapacity(values.capacity)
    for n in 0..<batch {
      for y in 0..<size.height {
        for ox in 0..<size.width {
          for c in 0..<p.outChannels {
            var sum = bias.map { Double($0[c]) } ?? 0
            var magnitude = abs(sum)
            for i in 0..<p.kernel.height {
              let iy = y * p.stride.height + i * p.dilation.height - p.padding.height
              guard (0..<height).contains(iy) else { continue }
              for j in 0..<p.kernel.width {
                let ix = ox * p.stride.width + j * p.dilation.width - p.padding.width
                guard (0..<width).contains(ix) else { continue }
                for k in 0..<p.groupInputs {
                  let channel = c / p.groupOutputs * p.groupInputs + k
                  let product =
                    Double(x[((n * height + iy) * width + ix) * p.inChannels + channel])
                    * Double(weight[((c * p.groupInputs + k) * p.kernel.height + i) * p.kernel.width + j])
                  sum += product
                  magnitude += abs(product)
                }
              }
            }
            values.append(sum)
            magnitudes.append(magnitude)
          }
        }
      }
    }
  }
}
