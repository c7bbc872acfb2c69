import ArgumentParser
import RBNRuntime

/// `rbn scan`: whether files hold anything but data.
struct ScanCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "scan",
    abstract: "Says whether files hold anything but data, without loading them.",
    discussion: """
      Every name in every pickle is compared with a list of those that only make tensors, arrays, containers and plain \
      values. Any other is named, with its place: it could run code when Python loads the file. Read are checkpoints, \
      exported programs, bundles, bare pickles of any protocol, NumPy files, and zip archives of these.

      EXIT STATUS: 0 only data, 1 a file holds more, 3 a file could not be looked into completely and nothing was found.

      EXAMPLES
        rbn scan checkpoint.pth
        rbn scan downloads/*.pth --json
      """)

  @Argument(help: "The files.")
  var files: [String]

  @Flag(help: "Print the findings as JSON.")
  var json = false

  private struct Document: Encodable {
    var schemaVersion = 1
    var files: [FileScan]

    enum CodingKeys: String, CodingKey {
      case schemaVersion = "schema_version"
      case files
    }
  }

  func validate() throws {
    guard !files.isEmpty else { throw ValidationError("Name at least one file.") }
  }

  func run() async throws {
    var scans: [FileScan] = []
    var isUnreadable = false
    for file in files {
      do {
        let scan = try await FileScan.scan(contentsOf: file)
        if !json { try StandardOutput.write(Self.text(scan)) }
        scans.append(scan)
      } catch let error as RBNError where error.file == file {
        StandardError.report(error)
        isUnreadable = true
      }
    }
    if json { try StandardOutput.write(json: Document(files: scans)) }
    if scans.contains(where: { $0.verdict == .notOnlyData }) { throw ExitStatus.comparisonFailed }
    if isUnreadable || scans.contains(where: { $0.verdict == .unknown }) { throw ExitStatus.model }
  }

  private static func text(_ scan: FileScan) -> String {
    let answer =
      switch scan.verdict {
      case .onlyData: "only data"
      case .notOnlyData: "NOT ONLY DATA"
      case .unknown: "not known: a part could not be looked into"
      }
    var text = "\(scan.file): \(answer) (\(scan.kind))\n"
    for finding in scan.findings { text += "  \(Self.text(finding))\n" }
    for problem in scan.problems { text += "  not looked into: \(problem.message)\n" }
    return text
  }

  private static func text(_ finding: FileScan.Finding) -> String {
    let place = (finding.entry.map { "\($0), " } ?? "") + "byte \(finding.byte)"
    let name = [finding.module, finding.name].compactMap { $0?.escaped }.joined(separator: ".")
    switch finding.concern {
    case .program: return "program  \(name)  (\(finding.entry ?? ""))"
    case .hidden:
      return "hidden   a name that only running the pickle would tell  (\(place), \(finding.opcode ?? ""))"
    case .unsafe, .foreign:
      let use = finding.isCalled ? "called" : "named"
      let kind = finding.concern == .unsafe ? "unsafe " : "foreign"
      return "\(kind)  \(name)  \(use)  (\(place), \(finding.opcode ?? ""))"
    }
  }
}

extension String {
  /// Control characters written out, so that a name can't change what a terminal shows.
  fileprivate var escaped: String {
    unicodeScalars.reduce(into: "") { text, scalar in
      text += scalar.properties.generalCategory == .control ? scalar.escaped(asASCII: true) : String(scalar)
    }
  }
}
