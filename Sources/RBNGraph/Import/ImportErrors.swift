import RBNTensor

extension RBNError.Code {
  /// ATen operators that no lowering exists for.
  package static let importUnsupportedOperators = Self("import.unsupported-operators")
  /// Values of an operator's arguments that this runtime does not compute, such as a convolution of volumes.
  package static let importUnsupportedArguments = Self("import.unsupported-arguments")
  /// The program was exported in training mode.
  package static let importTrainingMode = Self("import.training-mode")
  /// An argument that the operator's schema does not have, or has twice, or lacks a required one.
  package static let importArguments = Self("import.malformed-arguments")
  /// A value is read that nothing makes, or made twice, or of another kind than its reader needs.
  package static let importValues = Self("import.malformed-values")
  /// A write in place whose effect on other views can't be expressed.
  package static let importInPlace = Self("import.in-place")
  /// A parameter or constant is written to.
  package static let importParameterMutation = Self("import.parameter-mutation")
  /// A tensor of a dtype that networks here don't compute in.
  package static let importDType = Self("import.unsupported-dtype")
  /// Shape inference disagrees with the shapes that the exporter recorded.
  package static let importShapes = Self("import.shape-disagreement")
  /// A number that depends on the input's size where only a constant is supported.
  package static let importSymbolicSize = Self("import.symbolic-size")
  /// An input or output of the program that is not a tensor.
  package static let importInterface = Self("import.unsupported-interface")
}
