import Foundation
import RBNTensor
import Testing

@testable import RBNFormats

@Suite struct NumPyTests {
  private static let values = (0..<24).map { Double($0 * 7 % 5) }
  private static let dtypes: [String: DType] = [
    "f2": .float16, "f4": .float32, "f8": .float64, "i1": .int8, "u1": .uint8, "i2": .int16, "u2": .uint16,
    "i4": .int32, "u4": .uint32, "i8": .int64, "u8": .uint64,
  ]

  @Test(arguments: ["numpy.npz", "numpy-compressed.npz"]) func archiveOfNumPy(name: String) throws {
    let arrays = try NumPy.readArchive(TestData.fixture(name))
    #expect(arrays.count == 38)
    for (name, tensor) in arrays {
      let parts = name.split(separator: ".").map(String.init)
      if parts.count == 2, let dtype = Self.dtypes[parts[1]] {
        #expect(tensor.dtype == dtype && tensor.shape == [2, 3, 4], "\(name)")
        #expect(tensor.doubles == Self.values, "\(name)")
      }
    }
    let named = Dictionary(arrays.map { ($0.name, $0.tensor) }) { first, _ in first }
    #expect(named["bool"]?.doubles == Self.values.map { $0 == 1 ? 1 : 0 })
    #expect(named["bool"]?.dtype == .bool)
    #expect(named["scalar"]?.floats == [2.5] && named["scalar"]?.shape == [])
    #expect(named["vector"]?.floats == [0, 1, 2] && named["vector"]?.shape == [3])
    #expect(named["empty"]?.shape == [2, 0, 3])
    #expect(named["folder/name"]?.floats == [0, 1])
  }

  @Test(arguments: [1, 2, 3]) func version(_ version: Int) throws {
    let tensor = try NumPy.readArray(TestData.fixture("version\(version).npy"))
    #expect(tensor.shape == [2, 3] && tensor.floats == [0, 1, 2, 3, 4, 5])
  }

  @Test(arguments: ["object", "complex", "bytes", "text", "structured", "date"])
  func refusedDType(name: String) {
    #expect(
      code { _ = try NumPy.readArray(TestData.fixture("refused-\(name).npy")) } == .unsupportedNumPyDType)
  }

  private func file(_ header: String, data: Int, version: UInt8 = 1) -> [UInt8] {
    let length = header.utf8.count
    let size: [UInt8] = [UInt8(length & 255), UInt8(length >> 8)] + (version == 1 ? [] : [0, 0])
    return [0x93] + Array("NUMPY".utf8) + [version, 0] + size + Array(header.utf8)
      + [UInt8](repeating: 0, count: data)
  }

  static let headers: [(String, RBNError.Code?)] = [
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", nil),
    ("{\"shape\": (2L,), \"descr\": \"=f4\", \"fortran_order\": True}\n", nil),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", .numPySizeMismatch),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", .numPySizeMismatch),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 9), }", .invalidShape),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", .malformedNumPy),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }", .malformedNumPy),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': 2, }", .malformedNumPy),
    ("{'descr': '<f4', 'fortran_order': 0, 'shape': (2,), }", .malformedNumPy),
    ("{'descr': '<f4', 'fortran_order': False, }", .malformedNumPy),
    ("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", .malformedNumPy),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 1}", .malformedNumPy),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x", .malformedNumPy),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)", .malformedNumPy),
    ("{'descr': '<f4", .malformedNumPy), ("", .malformedNumPy), ("[]", .malformedNumPy),
    ("{'descr': 'f4', 'fortran_order': False, 'shape': (2,)}", .unsupportedNumPyDType),
    ("{'descr': '|f4', 'fortran_order': False, 'shape': (2,)}", .unsupportedNumPyDType),
    ("{'descr': '<f16', 'fortran_order': False, 'shape': (2,)}", .unsupportedNumPyDType),
    ("{'descr': '<q9', 'fortran_order': False, 'shape': (2,)}", .unsupportedNumPyDType),
  ]

  @Test(arguments: headers) func header(text: String, expected: RBNError.Code?) {
    for version: UInt8 in [1, 2] {
      #expect(code { _ = try NumPy.readArray(bytes: file(text, data: 8, version: version)) } == expected)
    }
  }

  @Test func damagedFiles() throws {
    let sound = file("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", data: 8)
    for count in 0..<sound.count {
      #expect(throws: RBNError.self) { try NumPy.readArray(bytes: Array(sound[..<count])) }
    }
    var version = sound
    version[6] = 9
    #expect(code { _ = try NumPy.readArray(bytes: version) } == .malformedNumPy)
    var generator = SeededGenerator(seed: 4)
    for _ in 0..<3000 {
      var spoiled = sound
      spoiled[Int.random(in: 0..<sound.count, using: &generator)] = UInt8.random(
        in: 0...255, using: &generator)
      let failure = code { _ = try NumPy.readArray(bytes: spoiled) }
      #expect(failure != RBNError.Code("test.foreign-error"))
    }
  }

  @Test func writtenIsRead() throws {
    let folder = try ScratchFolder()
    var tensors: [NumPy.NamedTensor] = []
    for dtype in DType.allCases where dtype != .bfloat16 {
      let tensor = try Tensor(shape: [2, 3], dtype: dtype) { bytes in
        for index in 0..<bytes.count { bytes[index] = dtype == .bool ? UInt8(index & 1) : UInt8(index) }
      }
      tensors.append((dtype.rawValue, tensor))
      try NumPy.write(tensor, to: folder.file("a.npy"))
      let back = try NumPy.readArray(folder.file("a.npy"))
      #expect(back.dtype == dtype && back.shape == tensor.shape)
      #expect(back.withUnsafeBytes { Array($0) } == tensor.withUnsafeBytes { Array($0) })
    }
    try NumPy.write(tensors, to: folder.file("a.npz"))
    let back = try NumPy.readArchive(folder.file("a.npz"))
    #expect(back.map(\.name) == tensors.map(\.name))
    #expect(
      try NumPy.readArchive(bytes: NumPy.bytes(of: tensors)).map(\.tensor.dtype)
        == tensors.map(\.tensor.dtype))
    #expect(folder.contents == ["a.npy", "a.npz"])
    let narrow = try Tensor(shape: [2], scalars: [1.5, -2]).converted(to: .bfloat16)
    let wide = try NumPy.readArray(bytes: NumPy.bytes(of: narrow))
    #expect(wide.dtype == .float32 && wide.floats == [1.5, -2])
    #expect(try NumPy.bytes(of: narrow).count % 64 == 8)
  }

  @Test func archivesOfOtherThings() throws {
    var writer = ZipArchiveWriter()
    try writer.add("readme.txt", [1])
    let bytes = try writer.close()
    #expect(code { _ = try NumPy.readArchive(bytes: bytes) } == .foreignNumPyEntry)
    #expect(code { _ = try NumPy.readArchive(TestData.fixture("none.npz")) } == .unreadableFile)
  }

  @Test func deflatedSizesAreBounded() throws {
    var forged = ForgedArchive.sound
    forged.entries = [ForgedArchive.Entry("x.npy", [3, 0])]
    forged.entries[0].method = 8
    forged.entries[0].size = 1 << 30
    #expect(code { _ = try NumPy.readArchive(bytes: forged.bytes) } == .entryTooLarge)
    // An empty DEFLATE stream that claims to hold 100 bytes.
    forged.entries[0].size = 100
    #expect(code { _ = try NumPy.readArchive(bytes: forged.bytes) } == .entrySizeMismatch)
  }
}
