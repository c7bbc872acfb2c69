import Foundation
import Testing

/// The scripts that check the server, as far as they need nothing of others.
@Suite struct ServingToolTests {
  @Test func aPartThatDoesNotExistIsRefusedWithTheNames() throws {
    let result = try Command.shell("tools/check_server.sh client")
    #expect(result.status == 2)
    for name in ["clients", "openapi", "deployment", "page"] { #expect(result.errors.contains(name)) }
  }

  @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/python3")))
  func aServerThatDoesNotStartLeavesNothing() throws {
    // In place of the server, one that says nothing, and writes down which process it is.
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("rbn-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let script = """
      cd '\(folder.path)' || exit
      printf '#!/bin/sh\\necho $$ >"%s/pid"\\nexec sleep 60\\n' "$PWD" >server && chmod +x server
      export RBN_SERVER="$PWD/server" TMPDIR="$PWD" PYTHONDONTWRITEBYTECODE=1
      /usr/bin/python3 - '\(Command.root.path)/tools/serving' <<'PYTHON'
      import sys
      sys.path.insert(0, sys.argv[1])
      from server import Server
      with Server(models={}, start_seconds=1):
          pass
      PYTHON
      echo $? >status
      kill -0 "$(cat pid)" 2>/dev/null && echo it runs
      ls
      """
    let result = try Command.shell(script)
    #expect(result.errors.contains("did not start"))
    #expect(result.output.split(separator: "\n") == ["pid", "server", "status"], "\(result.output)")
  }
}
