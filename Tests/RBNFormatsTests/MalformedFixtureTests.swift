import Foundation
import RBNTensor
import Testing

@testable import RBNFormats

/// The committed files with one defect each, and the codes that they must give.
enum MalformedFixtures {
  static let folder = TestData.root.appendingPathComponent("fixtures/malformed")

  static func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

  /// File and code, of one of the tables `<kind>-expected.json`.
  static func table(_ kind: String) throws -> [[String]] {
    let data = try Data(contentsOf: folder.appendingPathComponent("\(kind)-expected.json"))
    return try JSONDecoder().decode([String: String].self, from: data).sorted { $0.key < $1.key }
      .map { [$0.key, $0.value] }
  }
}

@Suite struct MalformedFixtureTests {
  @Test(arguments: try MalformedFixtures.table("zip")) func archive(nameAndCode: [String]) throws {
    let path = MalformedFixtures.path(nameAndCode[0])
    let error = try #require(
      rbnError {
        var options = ZipArchive.Options()
        options.allowsDeflate = true
        let archive = try ZipArchive(contentsOf: path, options: options)
        for entry in archive.entries { _ = try archive.read(entry) }
      })
    #expect(error.code.rawValue == nameAndCode[1], "\(error)")
    #expect(error.subject == .model)
    #expect(error.file == path)
  }

  @Test(arguments: try MalformedFixtures.table("numpy")) func array(nameAndCode: [String]) throws {
    let path = MalformedFixtures.path(nameAndCode[0])
    let error = try #require(
      rbnError {
        if path.hasSuffix(".npz") { _ = try NumPy.readArchive(path) } else { _ = try NumPy.readArray(path) }
      })
    #expect(error.code.rawValue == nameAndCode[1], "\(error)")
    #expect(error.subject == .input)
    #expect(error.file == path)
  }

  /// Those of the bundle and of JSON; what is wrong with a graph is found by `RBNGraph`.
  @Test(arguments: try MalformedFixtures.table("bundle").filter { !$0[0].hasPrefix("bundle-graph-") })
  func bundle(nameAndCode: [String]) throws {
    let path = MalformedFixtures.path(nameAndCode[0])
    let isRead = ["bundle-json-not-an-object.rbn", "bundle-other-inputs.rbn", "bundle-other-outputs.rbn"]
    let error = rbnError { _ = try ModelBundle.read(from: path) }
    guard !isRead.contains(nameAndCode[0]) else { return #expect(error == nil) }
    #expect(error?.code.rawValue == nameAndCode[1], "\(String(describing: error))")
    #expect(error?.file == path)
  }

  @Test func theFilesAreThoseOfTheTables() throws {
    let names = try FileManager.default.contentsOfDirectory(atPath: MalformedFixtures.folder.path)
    for (kind, prefixes) in [("zip", ["zip-"]), ("numpy", ["npy-", "npz-"]), ("bundle", ["bundle-"])] {
      let files = names.filter { name in prefixes.contains { name.hasPrefix($0) } && !name.hasSuffix(".json")
      }
      #expect(try files.sorted() == MalformedFixtures.table(kind).map { $0[0] })
      #expect(files.count >= 30)
    }
  }

  /// A rule without a malformed file is a rule that nobody has seen refuse anything.
  @Test func everyRuleOfAFileHasAMalformedFixture() throws {
    let kinds = ["zip", "numpy", "bundle", "checkpoint"]
    let covered = try Set(kinds.flatMap { try MalformedFixtures.table($0).map { $0[1] } })
    let declared: [RBNError.Code] = [
      .notAZip, .truncatedArchive, .trailingBytes, .ambiguousEnd, .multiDisk, .malformedDirectory,
      .tooManyEntries,
      .malformedHeader, .headerMismatch, .encryptedEntry, .compressedEntry, .unsafeName, .duplicateEntry,
      .overlappingEntries, .archiveGap, .entrySizeMismatch, .entryTooLarge, .crcMismatch,
      .inconsistentArchive,
      .truncatedPickle, .pickleProtocol, .unknownOpcode, .refusedOpcode, .unsafeGlobal, .invalidGlobal,
      .stackUnderflow,
      .pickleTypeMismatch, .undefinedMemo, .trailingPickleBytes, .malformedJSON, .duplicateJSONKey,
      .jsonNumberRange,
      .jsonLimit, .unexpectedJSON, .malformedNumPy, .unsupportedNumPyDType, .numPySizeMismatch,
      .foreignNumPyEntry,
      .notABundle, .bundleVersion, .missingBundleEntry, .unlistedBundleEntry, .bundleEntrySize, .bundleDigest,
      .bundleDType, .bundleWeightSize, .malformedBundle, .emptyFile, .webPage, .lfsPointer, .torchScript,
      .tarFormat,
      .barePickle, .otherFormat, .archiveRoot, .missingVersion, .unsupportedVersion, .byteOrder,
      .legacyPreamble,
      .storageTable, .truncatedStorages, .trailingStorages, .missingStorage, .storageSize, .malformedTensor,
      .unsupportedTensor, .unsupportedElement, .noStateDict, .ambiguousStateDict, .pickledModel,
      .duplicateKey,
      .invalidView, .oversizedView, .invalidShape,
    ]
    #expect(Set(declared.map(\.rawValue)).subtracting(covered) == [])
  }
}
