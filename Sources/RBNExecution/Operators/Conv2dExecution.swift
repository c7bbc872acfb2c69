import RBNGraph
import RBNTensor

extension Conv2d: ExecutableOperator {
  package func compile(_ node: NodeContext) throws -> any CompiledOperator {
    try CompiledConv2d(self, affine: nil, activation: nil, residualInput: nil, node)
  }
}

extension FusedConv2d: ExecutableOperator {
  package func compile(_ node: NodeContext) throws -> any CompiledOperator {
    try CompiledConv2d(conv, affine: affine, activation: activation, residualInput: 3, node)
  }
}

/// A convolution with packed weights, and what happens to its result before anyone else reads it: a per-instance affine
/// map (a Representative BatchNorm), the addition of a residual, an activation.
private struct CompiledConv2d: CompiledOperator {
  let algorithm: any Conv2dAlgorithm
  let calibration: ConvolutionCalibration?
  let activation: Activation
  /// Which input is added to the result, where it is there.
  let residualInput: Int?
  /// What follows from the sizes, once they are known.
  private var plan: Plan?

  private struct Plan {
    let problem: Conv2dProblem
    let convolution: any PlannedConv2d
    let calibration: ConvolutionCalibration.Plan?
    let output: Conv2dParameters.Axes
  }

  init(
    _ conv: Conv2d, affine: InstanceAffine?, activation: Unary.Function?, residualInput: Int?,
    _ node: NodeContext
  ) throws {
    guard let weight = try node.parameter(1, "weight"), weight.shape.rank == 4 else {
      throw RBNError(.malformedGraph, .model, "the convolution has no weight")
    }
    let (inChannels, overflow) = weight.shape[1].multipliedReportingOverflow(by: conv.groups)
    guard !overflow else { throw RBNError(.malformedGraph, .model, "the convolution has too many groups") }
    let parameters = Conv2dParameters(
      inChannels: inChannels, outChannels: weight.shape[0], kernel: .init(weight.shape[2], weight.shape[3]),
      stride: .init(conv.stride[0], conv.stride[1]), padding: .init(conv.padding[0], conv.padding[1]),
      paddingEnd: .init(conv.padding[2], conv.padding[3]),
      dilation: .init(conv.dilation[0], conv.dilation[1]),
      groups: conv.groups)
    let bias = try node.parameter(2, "bias").map { try $0.reshaped(to: [weight.shape[0]]) }
    let choice = try Conv2dChoice(parameters, exampleInput: node.exampleShape(0), options: node.options)
    let algorithm = try choice.pack(weight: weight, bias: bias, parameters, node)
    calibration = try affine.map {
      try ConvolutionCalibration(
        $0, choice: choice, algorithm: algorithm, weight: weight, bias: bias, parameters, node)
    }
    self.algorithm = algorithm
    self.residualInput = residualInput
    self.activation = try activation.map { try node.activation($0) } ?? .identity
  }

  var kernel: String {
    calibration.map { "\(algorithm.description), mean \($0.source)" } ?? algorithm.description
  }
  var consumedParameters: Set<Int> { [1, 2, 4] }
  var packedByteCount: Int { algorithm.byteCount + (calibration?.packedByteCount ?? 0) }
  var collectsOutputSums: Bool { true }

  func summedInput(_ inputs: [Operand?]) -> Int? { calibration?.source == .before ? 0 : nil }

  func specialized(_ inputs: [Operand?], _ output: Operand, threads: Int, collectsSums: Bool) throws
    -> any CompiledOperator
  {
    var copy = self
    copy.plan = try makePlan(try input(inputs, 0), threads: threads, collectsSums: collectsSums)
    return copy
  }

  private func makePlan(_ source: Operand, threads: Int, collectsSums: Bool) throws -> Plan {
    let x = source.image
    var problem = Conv2dProblem(
      batch: x.batch, height: x.height, width: x.width, threads: threads,
      hasAffine: calibration?.source == .before,
      collectsSums: collectsSums || calibration?.source == .after)
    problem.wantsCompletion = calibration?.source == .after
    let output = try algorithm.parameters.outputSize(height: x.height, width: x.width)
    return Plan(
      problem: problem, convolution: try algorithm.plan(problem),
      calibration: calibration?.plan(problem, output: output, collectsSums: collectsSums), output: output)
  }

  func scratchByteCount(_ inputs: [Operand?], _ output: Operand, threads: Int) throws -> Int {
    let plan = try plan ?? makePlan(try input(inputs, 0), threads: threads, collectsSums: true)
    return plan.convolution.scratchByteCount + (plan.calibration?.scratchByteCount ?? 0)
  }

  func run(_ inputs: [Operand?], _ output: Operand, _ context: RunContext) throws {
    let source = try input(inputs, 0)
    let plan =
      try plan
      ?? makePlan(source, threads: context.pool.threads, collectsSums: context.outputSums != nil)
    let x = UnsafePointer(context.pointer(source))
    let out = context.pointer(output)
    let residual = residualInput.flatMap { $0 < inputs.count ? inputs[$0] : nil }.map {
      UnsafePointer(context.pointer($0))
    }
    var epilogue = Conv2dEpilogue(activation: activation, residual: residual, sums: context.outputSums)
    guard let calibration, let calibrationPlan = plan.calibration else {
      plan.convolution.run(
        input: x, output: out, epilogue: epilogue, scratch: context.scratch, pool: context.pool)
      return
    }
    let memory = CalibrationMemory(calibrationPlan, context.scratch + plan.convolution.scratchByteCount)
    switch calibration.source {
    case .before:
      guard let sums = context.inputSums else {
        throw RBNError(.malformedGraph, .model, "the sums of the input are missing")
      }
      calibration.calibrate(before: x, sums: sums, plan.problem, plan.output, memory, context.pool)
      epilogue.affine = .init(scale: memory.scale, shift: memory.shift)
      plan.convolution.run(
        input: x, output: out, epilogue: epilogue, scratch: context.scratch, pool: context.pool)
    case .after:
      var plain = Conv2dEpilogue(sums: memory.means)
      if plan.convolution.completesChannels {
        plain.completion = calibration.completion(of: out, epilogue, plan.output, memory)
      }
      plan.convolution.run(
        input: x, output: out, epilogue: plain, scratch: context.scratch, pool: context.pool)
      if plain.completion == nil {
        calibration.apply(to: out, epilogue, plan.problem, plan.output, memory, context)
      }
    }
  }
}

extension NodeContext {
  /// The kernels' counterpart of a fused activation.
  func activation(_ function: Unary.Function) throws -> Activation {
    guard let activation = Activation(function) else {
      throw RBNError(.unsupportedOperator, .model, "\(Unary(function).name) can't be fused")
    }
    return activation
  }
}
