import RBNTensor

/// The rules that a zip archive must keep. torch, numpy and this package write archives that keep them all.
extension RBNError.Code {
  /// A file that can't be opened or read.
  package static let unreadableFile = Self("file.unreadable")
  /// A file that can't be written, or can't be put in its place.
  package static let unwritableFile = Self("file.unwritable")

  /// The bytes are not those of a zip archive.
  package static let notAZip = Self("archive.not-a-zip")
  /// The file ends before the archive does.
  package static let truncatedArchive = Self("archive.truncated")
  /// Bytes follow the end of the archive.
  package static let trailingBytes = Self("archive.trailing-bytes")
  /// More than one place could be the end of the archive, so readers would disagree on what it holds.
  package static let ambiguousEnd = Self("archive.ambiguous-end")
  /// An archive that spans several files.
  package static let multiDisk = Self("archive.multi-disk")
  /// The end records or the central directory contradict themselves, each other or the size of the file.
  package static let malformedDirectory = Self("archive.malformed-directory")
  /// More entries than the limit.
  package static let tooManyEntries = Self("archive.too-many-entries")
  /// An entry's header is not well formed.
  package static let malformedHeader = Self("archive.malformed-header")
  /// An entry's own header or its data descriptor disagrees with the central directory.
  package static let headerMismatch = Self("archive.header-mismatch")
  /// An encrypted entry.
  package static let encryptedEntry = Self("archive.encrypted-entry")
  /// An entry compressed by a method that is not accepted here.
  package static let compressedEntry = Self("archive.compressed-entry")
  /// A name that leaves the archive's folder, is no UTF-8, or holds control characters.
  package static let unsafeName = Self("archive.unsafe-name")
  /// Two entries of one name.
  package static let duplicateEntry = Self("archive.duplicate-entry")
  /// Two entries share bytes, or an entry runs into the central directory.
  package static let overlappingEntries = Self("archive.overlap")
  /// Bytes that belong to no entry.
  package static let archiveGap = Self("archive.gap")
  /// A stored entry whose two sizes differ, or a deflated one that inflates to another size than declared.
  package static let entrySizeMismatch = Self("archive.size-mismatch")
  /// An entry larger than the limit.
  package static let entryTooLarge = Self("archive.entry-too-large")
  /// The payload is not the one whose checksum the archive records.
  package static let crcMismatch = Self("archive.crc-mismatch")
  /// An entry that is needed and not there.
  package static let missingEntry = Self("archive.missing-entry")
  /// libzip's own consistency check refuses the archive.
  package static let inconsistentArchive = Self("archive.inconsistent")
}
