import Foundation
import Testing

/// What the documents say is so.
@Suite struct DocumentationTests {
  private static let catalogue = Command.root.appendingPathComponent("Sources/RBNRuntime/RBNRuntime.docc")

  private func files(under folder: URL, ending: String) throws -> [URL] {
    let names = try FileManager.default.subpathsOfDirectory(atPath: folder.path)
    return names.filter { $0.hasSuffix(ending) }.sorted().map { folder.appendingPathComponent($0) }
  }

  private func matches(_ pattern: String, in text: String) throws -> Set<String> {
    let expression = try NSRegularExpression(pattern: pattern)
    let all = expression.matches(in: text, range: NSRange(text.startIndex..., in: text))
    return Set(all.compactMap { Range($0.range(at: 1), in: text).map { String(text[$0]) } })
  }

  @Test func everyErrorCodeIsDocumented() throws {
    let sources = try files(under: Command.root.appendingPathComponent("Sources"), ending: ".swift")
    var declared: Set<String> = []
    for source in sources {
      let text = try String(contentsOf: source, encoding: .utf8)
      declared.formUnion(try matches(#"static let \w+ = Self\(\s*"([a-z0-9-]+\.[a-z0-9-]+)""#, in: text))
    }
    let article = Self.catalogue.appendingPathComponent("Errors.md")
    let documented = try matches(
      #"(?m)^\| `([a-z0-9-]+\.[a-z0-9-]+)` \|"#, in: String(contentsOf: article, encoding: .utf8))
    #expect(declared.count > 140)
    #expect(declared.subtracting(documented).isEmpty, "not in Errors.md: \(declared.subtracting(documented))")
    #expect(documented.subtracting(declared).isEmpty, "no longer thrown: \(documented.subtracting(declared))")
  }

  /// Every `--option` that README and articles speak of is one of a command or of a tool.
  @Test func everyOptionExists() throws {
    let root = try Command.run(["--help"]).output
    let commands = try matches(#"(?m)^  ([a-z][a-z-]*)(?:\s|$)"#, in: root)
    #expect(commands.isSuperset(of: ["predict", "run", "verify", "inspect", "convert"]))
    var known: Set<String> = ["--filter", "--generate-completion-script"]
    for command in commands.sorted() {
      let help = try Command.run(["help", command])
      known.formUnion(try matches(#"(--[a-z][a-z0-9-]+)"#, in: help.output))
    }
    for tool in try files(under: Command.root.appendingPathComponent("tools"), ending: ".py") {
      known.formUnion(
        try matches(#""(--[a-z][a-z0-9-]+)""#, in: String(contentsOf: tool, encoding: .utf8)))
    }
    #if Serving
      let unchecked: Set<String> = []
      let server = Command.executable.deletingLastPathComponent().appendingPathComponent("rbn-server").path
      known.formUnion(
        try matches(#"(--[a-z][a-z0-9-]+)"#, in: Command.run(server, ["--help"]).output))
      // Of the package manager.
      known.insert("--traits")
    #else
      // Their options are those of a server that is built with the trait Serving.
      let unchecked: Set = ["ServingModels.md", "ScalingOut.md"]
    #endif
    let readme = Command.root.appendingPathComponent("README.md")
    for document in try [readme] + files(under: Self.catalogue, ending: ".md")
    where !unchecked.contains(document.lastPathComponent) {
      let text = try String(contentsOf: document, encoding: .utf8)
      // Options of other programs stand on the lines that call them.
      let lines = text.split(separator: "\n").filter { line in
        !["swift ", "pip ", "apt-get ", "python3 -m ", "docker ", "curl ", "sbatch "].contains {
          line.hasPrefix($0)
        }
      }
      let named = try matches(#"(?<![-\w])(--[a-z][a-z0-9-]+)"#, in: lines.joined(separator: "\n"))
      let unknown = named.subtracting(known)
      #expect(unknown.isEmpty, "\(document.lastPathComponent) speaks of \(unknown.sorted())")
    }
  }
}
