#if Serving
import Foundation
import RBNRuntime

/// A folder of models, as it is on disk.
///
///     models/
///       digits.rbn               model "digits", version 1
///       efficientnet/1/any.rbn   model "efficientnet", version 1
///       efficientnet/2/any.pt2   model "efficientnet", version 2
///
/// A version's folder holds one model file. Hidden files and other files are not looked at.
struct ModelFolder: Sendable {
  /// A model file, with what tells it from the file that was there before.
  struct Entry: Hashable, Sendable {
    var key: ModelKey
    var path: String
    var fingerprint: Fingerprint
  }

  /// What changes when a file is replaced or written to.
  struct Fingerprint: Hashable, Sendable {
    var device: UInt64
    var inode: UInt64
    var byteCount: Int64
    var modificationSeconds: Int
    var modificationNanoseconds: Int
  }

  /// What a look at the folder gives.
  struct Contents: Sendable {
    var entries: [Entry] = []
    /// The names of folders in it that can't be read, such as `lost+found`.
    var unreadable: Set<String> = []
  }

  static let extensions = ["rbn", "pt2", "pth", "pt"]

  let path: String

  /// Looks at the folder.
  ///
  /// - Throws: an error that names the folder when it can't be read. Folders in it that can't be are passed over.
  func scan() throws -> Contents {
    guard let names = Self.names(in: path) else {
      throw RBNError(
        .unreadableFolder, .usage, file: path, "the folder of models can't be read",
        advice: "name a folder that exists and that the server may read")
    }
    var contents = Contents()
    for name in names {
      let item = path + "/" + name
      if Self.isFolder(item) {
        addVersions(of: name, to: &contents)
      } else if let stem = Self.stem(name) {
        add(ModelKey(name: stem, version: "1"), item, to: &contents.entries)
      }
    }
    return contents
  }

  private func addVersions(of name: String, to contents: inout Contents) {
    let folder = path + "/" + name
    guard let versions = Self.names(in: folder) else {
      contents.unreadable.insert(name)
      return
    }
    for version in versions where Self.isVersion(version) && Self.isFolder(folder + "/" + version) {
      guard let files = Self.names(in: folder + "/" + version) else {
        contents.unreadable.insert(name)
        continue
      }
      let models = files.filter { Self.stem($0) != nil }
      guard models.count == 1, let file = models.first else { continue }
      add(
        ModelKey(name: name, version: version), folder + "/" + version + "/" + file, to: &contents.entries)
    }
  }

  private func add(_ key: ModelKey, _ file: String, to entries: inout [Entry]) {
    // Of digits.rbn and digits.pt2, or digits/1, the first in the order of names counts.
    guard !entries.contains(where: { $0.key == key }), let fingerprint = Self.fingerprint(of: file) else {
      return
    }
    entries.append(Entry(key: key, path: file, fingerprint: fingerprint))
  }

  /// What is in a folder and not hidden; nil when that can't be read.
  private static func names(in folder: String) -> [String]? {
    (try? FileManager.default.contentsOfDirectory(atPath: folder))?.filter { !$0.hasPrefix(".") }.sorted()
  }

  private static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  static func fingerprint(of path: String) -> Fingerprint? {
    var status = stat()
    guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
    #if canImport(Darwin)
    let time = status.st_mtimespec
    #else
    let time = status.st_mtim
    #endif
    return Fingerprint(
      device: UInt64(truncatingIfNeeded: status.st_dev), inode: UInt64(truncatingIfNeeded: status.st_ino),
      byteCount: Int64(status.st_size), modificationSeconds: time.tv_sec,
      modificationNanoseconds: time.tv_nsec)
  }

  /// The name without the extension of a model file; nil for other files.
  private static func stem(_ name: String) -> String? {
    for ending in extensions where name.hasSuffix("." + ending) && name.count > ending.count + 1 {
      return String(name.dropLast(ending.count + 1))
    }
    return nil
  }

  /// Whether a folder's name is a version: a number without leading zeros.
  private static func isVersion(_ name: String) -> Bool {
    Int(name).map { $0 > 0 && String($0) == name } ?? false
  }
}

/// The name and the version of a model.
struct ModelKey: Hashable, Sendable {
  var name: String
  /// A positive number in digits.
  var version: String
}

extension RBNError.Code {
  /// A folder of models that can't be read.
  public static let unreadableFolder = Self("serving.unreadable-folder")
}
#endif
