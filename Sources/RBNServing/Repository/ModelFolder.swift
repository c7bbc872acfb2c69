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

  static let extensions = ["rbn", "pt2", "pth", "pt"]

  let path: String

  /// Looks at the folder.
  ///
  /// - Throws: an error of subject system that names the folder when it can't be read.
  func scan() throws -> [Entry] {
    var entries: [Entry] = []
    for name in try names(in: path) {
      let item = path + "/" + name
      if isFolder(item) {
        for version in try names(in: item) where Self.isVersion(version) && isFolder(item + "/" + version) {
          let files = try names(in: item + "/" + version).filter { Self.stem($0) != nil }
          guard files.count == 1, let file = files.first else { continue }
          add(ModelKey(name: name, version: version), item + "/" + version + "/" + file, to: &entries)
        }
      } else if let stem = Self.stem(name) {
        add(ModelKey(name: stem, version: "1"), item, to: &entries)
      }
    }
    return entries
  }

  private func add(_ key: ModelKey, _ file: String, to entries: inout [Entry]) {
    // Of digits.rbn and digits.pt2, or digits/1, the first in the order of names counts.
    guard !entries.contains(where: { $0.key == key }), let fingerprint = Self.fingerprint(of: file) else {
      return
    }
    entries.append(Entry(key: key, path: file, fingerprint: fingerprint))
  }

  private func names(in folder: String) throws -> [String] {
    do {
      return try FileManager.default.contentsOfDirectory(atPath: folder).filter { !$0.hasPrefix(".") }
        .sorted()
    } catch {
      throw RBNError(
        .unreadableFolder, .usage, file: folder, "the folder of models can't be read",
        advice: "name a folder that exists and that the server may read")
    }
  }

  private func isFolder(_ path: String) -> Bool {
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
