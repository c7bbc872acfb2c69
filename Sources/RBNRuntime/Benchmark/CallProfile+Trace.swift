import RBNFormats

extension CallProfile {
  /// Writes the calls as a trace in the JSON format of Chrome's tracing, which Perfetto (ui.perfetto.dev) reads: one track of
  /// calls, one of their steps. Times are in microseconds.
  ///
  /// - Parameters:
  ///   - path: the file to write.
  ///   - model: the name that the trace shows.
  /// - Throws: `file.unwritable`.
  public func writeTrace(to path: String, model: String) throws {
    let trace: JSONValue = ["displayTimeUnit": "ms", "traceEvents": .array(traceEvents(model: model))]
    try OutputFile.write(Array(trace.text().utf8), to: path)
  }

  private func traceEvents(model: String) -> [JSONValue] {
    let (callTrack, stepTrack) = (Int64(1), Int64(2))
    var events = [
      Self.name("process_name", model, callTrack), Self.name("thread_name", "calls", callTrack),
      Self.name("thread_name", "steps", stepTrack),
    ]
    for (number, marks) in calls.enumerated() {
      guard let first = marks.first, let last = marks.last else { continue }
      events.append(Self.interval("call \(number + 1)", "call", first, last, callTrack, [:]))
      for (part, interval) in zip(parts, zip(marks, marks.dropFirst())) {
        var arguments: JSONValue = [
          "op": .string(part.op), "kernel": .string(part.kernel),
          "contains": .array(part.contains.map { .string("\($0.module) (\($0.op))") }),
          "output_shape": .integers(part.outputShape),
        ]
        let seconds = (interval.1 - interval.0) / .seconds(1)
        if part.operationCount > 0, seconds > 0, case .object(var members) = arguments {
          members["gflops"] = .double(Double(part.operationCount) / seconds / 1e9)
          arguments = .object(members)
        }
        events.append(
          Self.interval(
            part.module.isEmpty ? part.op : part.module, "step", interval.0, interval.1, stepTrack, arguments)
        )
      }
    }
    return events
  }

  private static func name(_ what: String, _ name: String, _ track: Int64) -> JSONValue {
    ["name": .string(what), "ph": "M", "pid": 1, "tid": .int(track), "args": ["name": .string(name)]]
  }

  private static func interval(
    _ name: String, _ category: String, _ start: Duration, _ end: Duration, _ track: Int64,
    _ arguments: JSONValue
  ) -> JSONValue {
    [
      "name": .string(name), "cat": .string(category), "ph": "X", "ts": .double(start / .microseconds(1)),
      "dur": .double((end - start) / .microseconds(1)), "pid": 1, "tid": .int(track), "args": arguments,
    ]
  }
}
