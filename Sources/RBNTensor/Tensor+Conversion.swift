extension Tensor {
  /// The elements as `Float`, row-major; `bool` gives 0 and 1, wider types are rounded to nearest.
  ///
  /// - Complexity: O(count); a copy even when the dtype is float32.
  public var floats: [Float] {
    [Float](count: count) { buffer in
      convert {
        buffer[$0] = Float($1)
      } wide: {
        buffer[$0] = Float($1)
      } integer: {
        buffer[$0] = Float($1)
      }
    }
  }

  /// The elements as `Double`, row-major; exact but for 64-bit integers beyond 2^53.
  ///
  /// - Complexity: O(count).
  public var doubles: [Double] {
    [Double](count: count) { buffer in
      convert {
        buffer[$0] = Double($1)
      } wide: {
        buffer[$0] = $1
      } integer: {
        buffer[$0] = Double($1)
      }
    }
  }

  /// The elements in another dtype; itself when the dtype is already the one asked for.
  ///
  /// Integers are rounded towards zero, `bool` is whether an element differs from 0.
  ///
  /// - Throws: `tensor.unsupported-dtype` when an element is beyond what an integer dtype holds, or is not a number.
  public func converted(to target: DType) throws -> Tensor {
    if target == dtype { return self }
    return try Tensor(shape: shape, dtype: target) { bytes in
      switch target {
      case .float32:
        let out = bytes.bindMemory(to: Float.self)
        convert {
          out[$0] = Float($1)
        } wide: {
          out[$0] = Float($1)
        } integer: {
          out[$0] = Float($1)
        }
      case .float64:
        let out = bytes.bindMemory(to: Double.self)
        convert {
          out[$0] = Double($1)
        } wide: {
          out[$0] = $1
        } integer: {
          out[$0] = Double($1)
        }
      case .float16:
        let out = bytes.bindMemory(to: Float16.self)
        convert {
          out[$0] = Float16($1)
        } wide: {
          out[$0] = Float16($1)
        } integer: {
          out[$0] = Float16($1)
        }
      case .bfloat16:
        let out = bytes.bindMemory(to: UInt16.self)
        convert {
          out[$0] = BFloat16.bits($1)
        } wide: {
          out[$0] = BFloat16.bits(Float($1))
        } integer: {
          out[$0] = BFloat16.bits(Float($1))
        }
      case .bool: for (i, value) in doubles.enumerated() { bytes[i] = value != 0 ? 1 : 0 }
      case .int8: try store(as: Int8.self, bytes)
      case .uint8: try store(as: UInt8.self, bytes)
      case .int16: try store(as: Int16.self, bytes)
      case .uint16: try store(as: UInt16.self, bytes)
      case .int32: try store(as: Int32.self, bytes)
      case .uint32: try store(as: UInt32.self, bytes)
      case .int64: try store(as: Int64.self, bytes)
      case .uint64: try store(as: UInt64.self, bytes)
      }
    }
  }

  private func store<T: FixedWidthInteger>(as type: T.Type, _ bytes: UnsafeMutableRawBufferPointer) throws {
    let out = bytes.bindMemory(to: T.self)
    for (i, value) in doubles.enumerated() {
      guard let integer = T(exactly: value.rounded(.towardZero)) else {
        throw RBNError(
          .unsupportedDType, .input, "\(value) can't be converted to an integer of \(T.bitWidth) bits")
      }
      out[i] = integer
    }
  }

  /// Visits every element through the one of three callbacks that holds its value exactly.
  private func convert(
    narrow: (Int, Float) -> Void, wide: (Int, Double) -> Void, integer: (Int, Int64) -> Void
  ) {
    withUnsafeBytes { bytes in
      switch dtype {
      case .float32: for i in 0..<count { narrow(i, bytes.element(i, as: Float.self)) }
      case .float16: for i in 0..<count { narrow(i, Float(bytes.element(i, as: Float16.self))) }
      case .bfloat16: for i in 0..<count { narrow(i, BFloat16.value(bytes.element(i, as: UInt16.self))) }
      case .float64: for i in 0..<count { wide(i, bytes.element(i, as: Double.self)) }
      case .uint64: for i in 0..<count { wide(i, Double(bytes.element(i, as: UInt64.self))) }
      case .int8: for i in 0..<count { integer(i, Int64(bytes.element(i, as: Int8.self))) }
      case .uint8: for i in 0..<count { integer(i, Int64(bytes.element(i, as: UInt8.self))) }
      case .int16: for i in 0..<count { integer(i, Int64(bytes.element(i, as: Int16.self))) }
      case .uint16: for i in 0..<count { integer(i, Int64(bytes.element(i, as: UInt16.self))) }
      case .int32: for i in 0..<count { integer(i, Int64(bytes.element(i, as: Int32.self))) }
      case .uint32: for i in 0..<count { integer(i, Int64(bytes.element(i, as: UInt32.self))) }
      case .int64: for i in 0..<count { integer(i, bytes.element(i, as: Int64.self)) }
      case .bool: for i in 0..<count { integer(i, bytes[i] == 0 ? 0 : 1) }
      }
    }
  }
}

extension UnsafeRawBufferPointer {
  @inline(__always)
  fileprivate func element<T: BitwiseCopyable>(_ index: Int, as type: T.Type) -> T {
    loadUnaligned(fromByteOffset: index &* MemoryLayout<T>.size, as: type)
  }
}

/// bfloat16: the upper half of a float32.
package enum BFloat16 {
  /// Rounds to nearest, ties to even; a NaN stays a (quiet) NaN.
  package static func bits(_ value: Float) -> UInt16 {
    let pattern = value.bitPattern
    if value.isNaN { return UInt16(truncatingIfNeeded: pattern >> 16) | 0x0040 }
    return UInt16(truncatingIfNeeded: (pattern &+ 0x7FFF &+ ((pattern >> 16) & 1)) >> 16)
  }

  package static func value(_ bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) << 16) }
}
