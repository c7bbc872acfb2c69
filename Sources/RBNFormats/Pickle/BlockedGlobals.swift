/// The names that no pickle may mention.
///
/// Nothing is ever looked up or called here, so any name would be harmless. But a file that mentions one of
/// these was made to run code in the readers that do call it, and whoever holds it should be told.
enum BlockedGlobals {
  /// Packages and modules that reach the system, import, or evaluate code; with all that is below them.
  private static let modules: Set<String> = [
    "_aix_support", "_bootsubprocess", "_ctypes", "_osx_support", "_pickle", "_posixsubprocess", "_pyrepl",
    "_thread", "asyncio", "bdb", "cProfile", "codeop", "ctypes", "distutils", "doctest", "ensurepip",
    "ftplib",
    "httplib", "idlelib", "imaplib", "importlib", "lib2to3", "marshal", "multiprocessing", "nt", "os", "pdb",
    "pickle", "pip", "pkgutil", "posix", "pty", "pydoc", "runpy", "shutil", "smtplib", "socket",
    "socketserver", "subprocess", "sys", "telnetlib", "timeit", "venv", "webbrowser", "xmlrpc",
  ]

  /// Modules of that kind under names that people also give to their own packages.
  private static let exactModules: Set<String> = ["code", "commands", "imp", "profile", "site", "trace"]

  /// What the module of built-in names has that only holds data.
  static let harmlessBuiltins: Set<String> = [
    "Ellipsis", "NotImplemented", "bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset",
    "int",
    "list", "long", "object", "range", "set", "slice", "str", "tuple", "unicode", "xrange",
  ]

  /// Functions elsewhere that exist to fetch or call other functions.
  private static let functions: Set<String> = [
    "functools.reduce", "operator.attrgetter", "operator.methodcaller", "types.CodeType",
    "types.FunctionType",
    "_operator.attrgetter", "_operator.methodcaller",
  ]

  static func contains(_ global: PickleGlobal) -> Bool {
    let top = global.module.prefix { $0 != "." }
    if top == "builtins" || top == "__builtin__" || top == "__builtins__" {
      return global.module.contains(".") || !harmlessBuiltins.contains(global.name)
    }
    return modules.contains(String(top)) || exactModules.contains(global.module)
      || functions.contains(global.description)
      // A dotted name walks from a module's attribute to another: `torch.serialization` + `os.system`.
      || global.name.split(separator: ".").dropLast().contains { modules.contains(String($0)) }
  }
}
