/// How a convolution is cut into pieces of work: runs of pixels times runs of panels.
///
/// Only speed depends on it: an output element is computed in the same way in every split.
struct WorkSplit: Hashable {
  /// What there is to do in one instance and group.
  struct Problem {
    /// Images and groups that are separate anyway.
    var repeats: Int
    var pixels: Int
    var panels: Int
    /// Pixels of a run are a multiple of this.
    var quantum: Int
    /// No run is longer, for the sake of the table of row pointers.
    var longestRun: Int
    /// Bytes of input behind one output pixel.
    var inputBytes: Double
    var panelBytes: Double
    /// Cycles for one pixel times one panel.
    var cycles: Double
  }

  var pixels: Int
  var panels: Int

  /// Bytes per cycle from memory that is not in the second-level cache, about.
  private static let bytesPerCycle = 8.0
  /// The share of those transfers that prefetching does not hide.
  private static let exposedShare = 0.25
  /// What the second-level cache holds of one piece's inputs and weights.
  private static let cacheBytes = 700_000.0
  /// Cycles to claim a piece and to set it up.
  private static let overhead = 1500.0

  /// The split with the least estimated time.
  ///
  /// Long runs of pixels reuse a panel's weights, many panels reuse the pixels' inputs, and small pieces fill all
  /// threads to the end: the last piece of a loop keeps the other threads waiting for half of it on average.
  init(_ problem: Problem, threads: Int) {
    var best = (cost: Double.infinity, pixels: problem.quantum, panels: 1)
    let longest = max(problem.longestRun / problem.quantum, 1)
    // A problem without pixels is split as one of one pixel.
    let tiles = (max(problem.pixels, 1) + problem.quantum - 1) / problem.quantum
    var panelParts = 1
    while panelParts <= problem.panels {
      let panels = (problem.panels + panelParts - 1) / panelParts
      var pixelParts = (tiles + longest - 1) / longest
      while pixelParts <= tiles {
        let run = (tiles + pixelParts - 1) / pixelParts * problem.quantum
        let cost = Self.cost(problem, pixels: run, panels: panels, threads: threads)
        if cost < best.cost { best = (cost, run, panels) }
        pixelParts = max(pixelParts + 1, pixelParts * 5 / 4)
      }
      panelParts = max(panelParts + 1, panelParts * 5 / 4)
    }
    pixels = best.pixels
    panels = best.panels
  }

  private static func cost(_ p: Problem, pixels: Int, panels: Int, threads: Int) -> Double {
    let pieces = p.repeats * ((p.pixels + pixels - 1) / pixels) * ((p.panels + panels - 1) / panels)
    let input = Double(pixels) * p.inputBytes, weights = Double(panels) * p.panelBytes
    let rereads = input + p.panelBytes > cacheBytes ? Double(panels) : 1
    let work = Double(min(pixels, p.pixels)) * Double(panels) * p.cycles
    let piece = work + exposedShare * (input * rereads + weights) / bytesPerCycle + overhead
    let rounds = (pieces + threads - 1) / threads
    return piece * (Double(rounds) + (threads > 1 ? 0.5 : 0))
  }
}
