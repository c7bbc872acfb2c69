import Foundation
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// What a person at a terminal sees and a script does not.
@Suite struct TerminalTests {
  private static let arguments = [
    "predict", Command.fixture("digits/digits-rbn.rbn"), Command.fixture("digits/images"), "--format", "csv",
  ]

  @Test func progressIsShownOnATerminal() throws {
    let shown = try onTerminal(Self.arguments)
    #expect(shown.contains("20/20 images"))
    #expect(shown.contains("/s"))
    #expect(shown.contains(" left"))
    // The line is taken away at the end.
    #expect(shown.hasSuffix("\r\u{1B}[K"))
  }

  @Test func nothingIsShownElsewhere() throws {
    let result = try Command.run(Self.arguments)
    #expect(result.errors.isEmpty)
    #expect(!result.output.contains("\u{1B}"))
  }

  /// Runs the command with a terminal as standard error, and gives what is written to it.
  private func onTerminal(_ arguments: [String]) throws -> String {
    var (master, terminal): (Int32, Int32) = (-1, -1)
    try #require(openpty(&master, &terminal, nil, nil, nil) == 0)
    // Bytes as they are written: without a carriage return added to each line.
    var settings = termios()
    try #require(tcgetattr(terminal, &settings) == 0)
    cfmakeraw(&settings)
    try #require(tcsetattr(terminal, TCSANOW, &settings) == 0)
    defer { close(master) }
    let status = try Command.run(arguments, errorsTo: FileHandle(fileDescriptor: terminal))
    #expect(status == 0)
    let flags = fcntl(master, F_GETFL)
    _ = fcntl(master, F_SETFL, flags | O_NONBLOCK)
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    let count = read(master, &bytes, bytes.count)
    close(terminal)
    return String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)
  }
}
