/// What a benchmark found.
///
/// A floating-point operation is half of a multiply-add of a convolution or fully connected layer, counted by the direct
/// method whatever method ran: an algorithm with fewer multiplications can exceed the peak.
public struct BenchmarkReport: Codable, Hashable, Sendable {
  /// Where the memory goes, in bytes.
  public struct Memory: Codable, Hashable, Sendable {
    /// The activations of one call in flight.
    public var arena: Int
    /// The weights in the form in which the kernels read them.
    public var packedWeights: Int
    /// The largest resident memory that the process has had; nil where the system does not tell.
    public var peakResident: Int?

    enum CodingKeys: String, CodingKey {
      case arena = "arena_bytes"
      case packedWeights = "packed_weights_bytes"
      case peakResident = "peak_resident_bytes"
    }
  }

  /// The file that the model was loaded from.
  public var model: String
  /// The kind of that file.
  public var format: ModelFormat
  /// The shapes of the inputs, in the order of the model's.
  public var inputShapes: [[Int]]
  /// The number of threads that took part.
  public var threads: Int
  /// The instruction set of the kernels.
  public var instructionSet: String
  /// The time to load the file and prepare the weights, in milliseconds; nil where the caller did not measure it.
  public var loadTime: Double?
  /// The time of the first call, which plans and allocates, in milliseconds.
  public var firstCallTime: Double
  /// The times of the calls that count.
  public var latency: LatencySummary
  /// Images, or instances of whatever the first dimension counts, in a second, at the mean time.
  public var throughput: Double
  /// Floating-point operations of one call.
  public var operationCount: Int
  /// 10⁹ floating-point operations in a second, at the median time.
  public var gigaflops: Double
  /// The same at the processor's peak, measured on the same number of threads.
  public var peakGigaflops: Double
  /// ``gigaflops`` / ``peakGigaflops``.
  public var shareOfPeak: Double
  /// The memory.
  public var memory: Memory
  /// The steps of a call; nil when they were not asked for.
  public var layers: [LayerTiming]?

  enum CodingKeys: String, CodingKey {
    case model, format, threads, latency, throughput, memory, layers
    case inputShapes = "input_shapes"
    case instructionSet = "instruction_set"
    case loadTime = "load_ms"
    case firstCallTime = "first_call_ms"
    case operationCount = "floating_point_operations"
    case gigaflops = "gflops"
    case peakGigaflops = "peak_gflops"
    case shareOfPeak = "share_of_peak"
  }
}

/// One step of a call.
public struct LayerTiming: Codable, Hashable, Sendable {
  /// An operation of the graph as it was written.
  public struct Operation: Codable, Hashable, Sendable {
    /// The path in the PyTorch module tree, with `#1` for the module's second call.
    public var module: String
    /// The ATen overload.
    public var op: String
  }

  /// The path in the PyTorch module tree, with `#1` for the module's second call; `(inputs)` and `(outputs)` for the
  /// copies at both ends.
  public var module: String
  /// The ATen overload, or `fused.…` for what only passes make.
  public var op: String
  /// What this step does of the graph as it was written, in order.
  public var contains: [Operation]
  /// The kernel that ran.
  public var kernel: String
  /// The shape of the output.
  public var outputShape: [Int]
  /// The median time, in milliseconds.
  public var time: Double
  /// The part of the sum over all steps.
  public var share: Double
  /// Floating-point operations, as ``BenchmarkReport`` counts them; 0 for a step without convolutions.
  public var operationCount: Int
  /// 10⁹ of them in a second.
  public var gigaflops: Double

  enum CodingKeys: String, CodingKey {
    case module, op, contains, kernel, share
    case outputShape = "output_shape"
    case time = "median_ms"
    case operationCount = "floating_point_operations"
    case gigaflops = "gflops"
  }
}
