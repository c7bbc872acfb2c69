import RBNTensor

/// A rewriting of a graph that does not change what it computes, up to rounding. One file each, in `Passes/`.
package protocol GraphPass: Sendable {
  /// The name by which the pass is switched off and printed: `fold-padding`.
  static var name: String { get }
  static func run(_ graph: inout Graph) throws
}
