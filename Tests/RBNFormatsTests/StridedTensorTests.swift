import RBNTensor
import Testing

@testable import RBNFormats

@Suite struct StridedTensorTests {
  private func storage(_ count: Int) throws -> TensorStorage {
    let storage = try TensorStorage(byteCount: count * 4)
    for index in 0..<count {
      storage.bytes.storeBytes(of: Float(index), toByteOffset: index * 4, as: Float.self)
    }
    return storage
  }

  private func view(
    _ storage: TensorStorage, _ offset: Int, _ shape: [Int], _ strides: [Int], limit: Int = 1 << 20
  ) throws -> Tensor {
    try StridedTensor.materialise(
      storage: storage, dtype: .float32, offset: offset, shape: shape, strides: strides, limit: limit)
  }

  static let views: [(offset: Int, shape: [Int], strides: [Int])] = [
    (0, [2, 3], [3, 1]), (4, [2, 3], [3, 1]), (0, [3, 2], [1, 3]), (1, [2, 2, 2], [1, 4, 2]), (5, [], []),
    (2, [3, 4], [0, 1]), (7, [4], [0]), (0, [2, 1, 3], [3, 99, 1]), (0, [1], [-5]),
    (3, [5, 1, 2], [2, 7, 1]),
    (0, [2, 2, 3, 2], [12, 1, 4, 2]),
  ]

  @Test(arguments: views) func elementsAreThoseOfTheView(offset: Int, shape: [Int], strides: [Int]) throws {
    let storage = try storage(24)
    let tensor = try view(storage, offset, shape, strides)
    #expect(tensor.shape == Shape(shape))
    var expected: [Float] = []
    for flat in 0..<tensor.count {
      var rest = flat
      var element = offset
      for axis in shape.indices.reversed() {
        element += rest % shape[axis] * strides[axis]
        rest /= shape[axis]
      }
      expected.append(Float(element))
    }
    #expect(tensor.floats == expected)
    #expect((tensor.storage === storage) == StridedTensor.isContiguous(shape: shape, strides: strides))
  }

  @Test func emptyViewsNeedNoStorage() throws {
    let nothing = try TensorStorage(byteCount: 0)
    #expect(try view(nothing, 1000, [2, 0], [1 << 60, 1 << 60]).shape == [2, 0])
  }

  @Test(arguments: DType.allCases) func bytesAreSwapped(dtype: DType) throws {
    let storage = try TensorStorage(byteCount: 32)
    for index in 0..<32 { storage.bytes[index] = UInt8(index) }
    let size = dtype.byteSize
    let tensor = try StridedTensor.materialise(
      storage: storage, dtype: dtype, offset: 1, shape: [2], strides: [1], swappingBytes: true)
    let expected = [1, 2].flatMap { element in (0..<size).map { UInt8(element * size + size - 1 - $0) } }
    #expect(tensor.withUnsafeBytes { Array($0) } == expected)
  }

  static let refused: [(Int, [Int], [Int], RBNError.Code)] = [
    (0, [25], [1], .invalidView), (1, [24], [1], .invalidView), (-1, [2], [1], .invalidView),
    (24, [], [], .invalidView), (0, [2], [-1], .invalidView), (3, [2, 2], [-1, 1], .invalidView),
    (0, [2], [1, 1], .invalidView), (0, [2, 2], [Int.max, 1], .invalidView),
    (Int.max, [2], [1], .invalidView), (0, [3], [Int.max / 2 + 1], .invalidView),
    (0, [-1], [1], .invalidShape), (0, [Int.max, 2], [0, 0], .invalidShape),
    (0, [1 << 40], [0], .oversizedView),
    (0, [Int](repeating: 1, count: 65), [Int](repeating: 1, count: 65), .invalidView),
  ]

  @Test(arguments: refused) func viewIsRefused(
    _ offset: Int, _ shape: [Int], _ strides: [Int], _ expected: RBNError.Code
  )
    throws
  {
    let storage = try storage(24)
    #expect(code { _ = try view(storage, offset, shape, strides) } == expected)
  }

  @Test func limitHoldsForRepeatedElementsOnly() throws {
    let storage = try storage(24)
    #expect(try view(storage, 0, [4, 6], [1, 4], limit: 0).count == 24)
    #expect(code { _ = try view(storage, 0, [25], [0], limit: 99) } == .oversizedView)
    #expect(try view(storage, 0, [25], [0], limit: 100).floats == [Float](repeating: 0, count: 25))
  }
}
