import RBNTensor
import Testing

@Suite struct ShapeTests {
  @Test func countsElementsAndBytes() throws {
    #expect(try Shape([2, 3, 4]).elementCount() == 24)
    #expect(try Shape([]).elementCount() == 1)
    #expect(try Shape([5, 0, 3]).elementCount() == 0)
    #expect(try Shape([2, 3]).byteCount(of: .float16) == 12)
    #expect(Shape([1, 3]).description == "(1, 3)")
    #expect(Shape([7]).description == "(7,)")
  }

  @Test(arguments: [[-1, 2], [Int.max, 2], [1 << 40, 1 << 40, 0], [0, 1 << 40, 1 << 40], [-5, 0]])
  func refusesWhatNoTensorCanHave(_ dimensions: [Int]) {
    #expect { try Shape(dimensions).elementCount() } throws: { ($0 as? RBNError)?.code == .invalidShape }
  }

  @Test func refusesSizesThatOverflowInBytes() {
    #expect { try Shape([1 << 61]).byteCount(of: .float64) } throws: {
      ($0 as? RBNError)?.code == .invalidShape
    }
  }
}

@Suite struct TensorTests {
  @Test func keepsScalars() throws {
    let tensor = try Tensor(shape: [2, 3], scalars: [1, 2, 3, 4, 5, 6])
    #expect(tensor.floats == [1, 2, 3, 4, 5, 6])
    #expect(tensor.doubles == [1, 2, 3, 4, 5, 6])
    #expect(tensor.byteCount == 24)
    #expect(try tensor.reshaped(to: [3, 2]).floats == tensor.floats)
    #expect { try tensor.reshaped(to: [4, 2]) } throws: { ($0 as? RBNError)?.code == .sizeMismatch }
    #expect { try Tensor(shape: [2], scalars: [1]) } throws: { ($0 as? RBNError)?.code == .sizeMismatch }
  }

  @Test func storageIsAligned() throws {
    for count in [0, 1, 17, 1000] {
      try Tensor.zeros([count]).withUnsafeBytes { bytes in
        #expect(Int(bitPattern: bytes.baseAddress) % TensorStorage.alignment == 0)
        #expect(bytes.allSatisfy { $0 == 0 })
      }
    }
  }

  @Test func refusesStorageThatEndsBeforeTheTensor() throws {
    let storage = try TensorStorage(byteCount: 16)
    #expect(try Tensor(shape: [3], dtype: .float32, storage: storage, byteOffset: 4).count == 3)
    for offset in [-4, 8, 17, Int.max] {
      #expect { try Tensor(shape: [3], dtype: .float32, storage: storage, byteOffset: offset) } throws: {
        ($0 as? RBNError)?.code == .sizeMismatch
      }
    }
  }

  @Test(arguments: [DType.int8, .uint8, .int16, .uint16, .int32, .uint32, .int64, .uint64, .bool])
  func readsIntegers(_ dtype: DType) throws {
    let tensor = try Tensor(shape: [2], dtype: dtype) { bytes in
      bytes.initializeMemory(as: UInt8.self, repeating: 0)
      bytes[dtype.byteSize] = 1
    }
    #expect(tensor.floats == [0, 1])
    #expect(try tensor.converted(to: .float64).doubles == [0, 1])
    #expect(try tensor.converted(to: .float32).floats == [0, 1])
  }

  @Test func narrowsAndWidens() throws {
    let values: [Float] = [0, -0.0, 1, -2.5, 65504, 1e-8, .infinity, 3.14159]
    let tensor = try Tensor(shape: [8], scalars: values)
    #expect(try tensor.converted(to: .float16).floats == values.map { Float(Float16($0)) })
    #expect(try tensor.converted(to: .float64).doubles == values.map(Double.init))
    #expect(try tensor.converted(to: .float32).floats == values)
    #expect { try tensor.converted(to: .int32) } throws: { ($0 as? RBNError)?.code == .unsupportedDType }
  }

  @Test func roundsToBFloat16AsIEEEDoes() {
    // Halfway cases go to the even neighbour; NaN stays NaN.
    #expect(BFloat16.bits(Float(bitPattern: 0x3F80_8000)) == 0x3F80)
    #expect(BFloat16.bits(Float(bitPattern: 0x3F81_8000)) == 0x3F82)
    #expect(BFloat16.bits(Float(bitPattern: 0x3F80_8001)) == 0x3F81)
    #expect(BFloat16.bits(.greatestFiniteMagnitude) == 0x7F80)
    #expect(BFloat16.value(BFloat16.bits(Float(bitPattern: 0x7F80_0001))).isNaN)
    #expect(BFloat16.value(BFloat16.bits(-1.5)) == -1.5)
  }
}

@Suite struct RBNErrorTests {
  @Test func saysWhereWhatAndWhatToDo() {
    let error = RBNError(
      .sizeMismatch, .model, location: "data/0", "is too short", advice: "download it again")
    #expect(error.description == "data/0: is too short (download it again)")
    #expect(error.inFile("a.pth").description == "a.pth: data/0: is too short (download it again)")
    #expect(error.inFile("a.pth").inFile("b.pth").file == "a.pth")
    #expect(error.at("elsewhere").location == "data/0")
  }
}
