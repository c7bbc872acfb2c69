import RBNRuntime

/// Prints classifications in the format asked for, line by line where the format allows.
struct PredictionWriter {
  private let format: PredictCommand.OutputFormat
  private let model: String
  private let showsLogits: Bool
  private let showsIndex: Bool
  private var table: TextTable
  private var records: [Record] = []

  /// What JSON says of one image.
  private struct Record: Encodable {
    struct Prediction: Encodable {
      var index: Int
      var label: String
      var probability: Float
      var logit: Float?
    }
    struct Failure: Encodable {
      var code: String
      var message: String
    }
    var image: String
    var predictions: [Prediction]?
    var error: Failure?
  }

  private struct Document: Encodable {
    var schemaVersion = 1
    var model: String
    var images: [Record]

    enum CodingKeys: String, CodingKey {
      case schemaVersion = "schema_version"
      case model, images
    }
  }

  init(format: PredictCommand.OutputFormat, model: String, showsLogits: Bool, showsIndex: Bool) {
    self.format = format
    self.model = model
    self.showsLogits = showsLogits
    self.showsIndex = showsIndex
    var columns: [(String, TextTable.Alignment)] = [("image", .left)]
    if showsIndex { columns.append(("index", .right)) }
    columns += [("class", .left), ("probability", .right)]
    if showsLogits { columns.append(("logit", .right)) }
    table = TextTable(columns)
  }

  mutating func add(_ image: String, _ result: Result<[Classification], RBNError>) throws {
    switch format {
    case .table: addRows(image, result)
    case .json: records.append(record(image, result))
    case .jsonl: try StandardOutput.write(json: record(image, result), isPretty: false)
    case .csv:
      if records.isEmpty {
        try StandardOutput.write("image,rank,index,label,probability" + (showsLogits ? ",logit" : "") + "\n")
        records.append(record(image, result))
      }
      try StandardOutput.write(lines(image, result))
    }
  }

  func finish() throws {
    switch format {
    case .table: try StandardOutput.write(table.text)
    case .json: try StandardOutput.write(json: Document(model: model, images: records))
    case .jsonl, .csv: break
    }
  }

  private mutating func addRows(_ image: String, _ result: Result<[Classification], RBNError>) {
    guard case .success(let classes) = result else {
      table.add([image] + (showsIndex ? [""] : []) + ["(can't be used)"])
      return
    }
    for (rank, entry) in classes.enumerated() {
      var cells = [rank == 0 ? image : ""]
      if showsIndex { cells.append("\(entry.index)") }
      cells += [entry.identifier, Format.fixed(Double(entry.confidence) * 100, 2) + " %"]
      if showsLogits { cells.append(entry.logit.map { Format.fixed(Double($0), 4) } ?? "") }
      table.add(cells)
    }
  }

  private func record(_ image: String, _ result: Result<[Classification], RBNError>) -> Record {
    switch result {
    case .success(let classes):
      let predictions = classes.map {
        Record.Prediction(
          index: $0.index, label: $0.identifier, probability: $0.confidence,
          logit: showsLogits ? $0.logit : nil)
      }
      return Record(image: image, predictions: predictions)
    case .failure(let error):
      return Record(image: image, error: .init(code: error.code.rawValue, message: error.description))
    }
  }

  private func lines(_ image: String, _ result: Result<[Classification], RBNError>) -> String {
    guard case .success(let classes) = result else { return "" }
    return classes.enumerated().map { rank, entry in
      var cells = [image, "\(rank + 1)", "\(entry.index)", entry.identifier, "\(entry.confidence)"]
      if showsLogits { cells.append(entry.logit.map { "\($0)" } ?? "") }
      return cells.map(Self.quoted).joined(separator: ",") + "\n"
    }.joined()
  }

  /// A CSV field, quoted where RFC 4180 asks for it.
  private static func quoted(_ cell: String) -> String {
    let isPlain = !cell.unicodeScalars.contains { $0 == "," || $0 == "\"" || $0 == "\n" || $0 == "\r" }
    return isPlain ? cell : "\"" + cell.replacing("\"", with: "\"\"") + "\""
  }
}
