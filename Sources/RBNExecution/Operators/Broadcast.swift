import RBNTensor

/// Strides for reading an operand under a broadcast shape.
enum Broadcast {
  static func strides(of operand: Operand, in shape: Shape) -> [Int] {
    let own = operand.strides
    let added = shape.rank - operand.shape.rank
    return shape.indices.map { axis in
      guard axis >= added, operand.shape[axis - added] != 1 else { return 0 }
      return own[axis - added]
    }
  }
}
