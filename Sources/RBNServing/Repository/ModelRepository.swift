#if Serving
import Logging
import Metrics
import RBNRuntime
import Synchronization

/// The models of a folder, loaded, and kept as the folder is.
///
/// A changed file takes its model's place only when it has been loaded whole: requests that run keep the one they
/// began with, and those that come later get the new one. A file that can't be loaded leaves the one before in place.
final class ModelRepository: Sendable {
  /// How a model stands.
  enum State: String, Sendable {
    case ready = "READY"
    case unavailable = "UNAVAILABLE"
  }

  struct Status: Sendable {
    var key: ModelKey
    var state: State
    /// Why the model, or the file that should take its place, is not available.
    var reason: String?
  }

  private struct Record {
    var loaded: LoadedModel?
    var reason: String?
    /// The file that was last tried.
    var tried: ModelFolder.Fingerprint?
    /// Whether a client asked for the model to go. It comes back when asked for, not by itself.
    var isUnloaded = false
  }

  private let folder: ModelFolder
  private let configuration: ServerConfiguration
  private let logger: Logger
  private let metrics: any MetricsFactory
  private let loads: Counter
  private let failedLoads: Counter
  private let records = Mutex<[ModelKey: Record]>([:])
  /// What the folder held when it was last looked at, and which folders in it could not be read.
  private let seen = Mutex<(entries: [ModelKey: ModelFolder.Entry], unreadable: Set<String>)>(([:], []))
  /// Loading happens one file after the other.
  private let last = Mutex<Task<Void, Never>?>(nil)

  init(_ configuration: ServerConfiguration, logger: Logger, metrics: any MetricsFactory) {
    folder = ModelFolder(path: configuration.modelsPath)
    self.configuration = configuration
    self.logger = logger
    self.metrics = metrics
    loads = Counter(label: "rbn_model_loads_total", dimensions: [("outcome", "success")], factory: metrics)
    failedLoads = Counter(
      label: "rbn_model_loads_total", dimensions: [("outcome", "failure")], factory: metrics)
  }

  /// A model that is ready.
  ///
  /// - Parameter version: nil for the highest.
  /// - Throws: 404 for a model that the folder has not; 503 for one that is not available.
  func model(_ name: String, version: String?) throws -> LoadedModel {
    let record: (key: ModelKey, value: Record)? = records.withLock { records in
      if let version {
        let key = ModelKey(name: name, version: version)
        return records[key].map { (key, $0) }
      }
      let versions = records.filter { $0.key.name == name }
      let ready = versions.filter { $0.value.loaded != nil }
      return (ready.isEmpty ? versions : ready).max { $0.key < $1.key }.map { ($0.key, $0.value) }
    }
    guard let record else {
      let what = version.map { "version \($0) of the model \(name.debugDescription)" }
      throw ServingError(.notFound, "there is no \(what ?? "model \(name.debugDescription)")")
    }
    guard let model = record.value.loaded else {
      throw ServingError.unavailable(
        "the model \(name.debugDescription) is not available: \(record.value.reason ?? "it is not loaded")")
    }
    return model
  }

  /// The versions of a model that are ready.
  func versions(of name: String) -> [String] {
    records.withLock { records in
      records.filter { $0.key.name == name && $0.value.loaded != nil }.map(\.key).sorted().map(\.version)
    }
  }

  /// All models, by name and version.
  func index() -> [Status] {
    records.withLock { records in
      records.sorted { $0.key < $1.key }.map { key, record in
        Status(
          key: key, state: record.loaded == nil ? .unavailable : .ready,
          reason: record.loaded == nil && record.isUnloaded ? "unloaded" : record.reason)
      }
    }
  }

  /// Whether every model that should be there is.
  var isReady: Bool { records.withLock { $0.values.allSatisfy { $0.loaded != nil || $0.isUnloaded } } }

  // MARK: Changes

  /// Loads what the folder holds.
  ///
  /// - Throws: when the folder can't be read. A model that can't be loaded is logged, and listed as unavailable.
  func loadAll() async throws {
    try await exclusively { [self] in
      let (contents, _) = try look()
      for entry in contents.entries { try await loadOrGoOn(entry) }
    }
  }

  /// Looks whether files have changed, come or gone since the last look, and follows.
  ///
  /// A file that changes from one look to the next may still be being written: it is loaded when it has stayed the same.
  func poll() async throws {
    try await exclusively { [self] in
      let (contents, before) = try look()
      for entry in contents.entries where before[entry.key] == entry {
        let record = records.withLock { $0[entry.key] }
        if record?.isUnloaded ?? false || record?.tried == entry.fingerprint { continue }
        try await loadOrGoOn(entry)
      }
      let keys = Set(contents.entries.map(\.key))
      // What can't be looked at has not gone.
      for key in records.withLock({ Array($0.keys) })
      where !keys.contains(key) && !contents.unreadable.contains(key.name) {
        records.withLock { _ = $0.removeValue(forKey: key) }
        logger.notice("Model removed", metadata: ["model": "\(key.name)", "version": "\(key.version)"])
      }
    }
  }

  /// Loads the model's files again, whether they have changed or not.
  ///
  /// - Throws: 404 for a model that the folder has not; 400 with the reason when a file can't be loaded.
  func load(_ name: String) async throws {
    try await exclusively { [self] in
      let entries = try folder.scan().entries.filter { $0.key.name == name }
      guard !entries.isEmpty else {
        throw ServingError(.notFound, "there is no model \(name.debugDescription)")
      }
      for entry in entries {
        do {
          try await load(entry)
        } catch {
          throw ServingError.badRequest(
            "the model \(name.debugDescription) can't be loaded: \(ServingError(error).message)")
        }
      }
    }
  }

  /// Takes all versions of a model out of service. Requests that run with them end as usual.
  ///
  /// - Throws: 404 for a model that the folder has not.
  func unload(_ name: String) async throws {
    try await exclusively { [self] in
      let isKnown = records.withLock { records in
        let keys = records.keys.filter { $0.name == name }
        for key in keys {
          records[key]?.loaded = nil
          records[key]?.isUnloaded = true
        }
        return !keys.isEmpty
      }
      guard isKnown else { throw ServingError(.notFound, "there is no model \(name.debugDescription)") }
      logger.notice("Model unloaded", metadata: ["model": "\(name)"])
    }
  }

  /// Looks at the folder, and warns of what can't be read in it.
  ///
  /// - Returns: what it holds, and the files that it held at the last look.
  private func look() throws -> (ModelFolder.Contents, before: [ModelKey: ModelFolder.Entry]) {
    let contents = try folder.scan()
    let before = seen.withLock { seen in
      defer {
        seen = (Dictionary(contents.entries.map { ($0.key, $0) }) { first, _ in first }, contents.unreadable)
      }
      return seen
    }
    for name in contents.unreadable.subtracting(before.unreadable).sorted() {
      logger.warning("A folder can't be read, and is passed over", metadata: ["folder": "\(name)"])
    }
    return (contents, before.entries)
  }

  /// Loads one of many files: when it can't be loaded, the others still are.
  ///
  /// - Throws: `CancellationError`.
  private func loadOrGoOn(_ entry: ModelFolder.Entry) async throws {
    try Task.checkCancellation()
    do {
      try await load(entry)
    } catch let error as CancellationError {
      throw error
    } catch {}
  }

  private func load(_ entry: ModelFolder.Entry) async throws {
    var logger = logger
    logger[metadataKey: "model"] = "\(entry.key.name)"
    logger[metadataKey: "version"] = "\(entry.key.version)"
    let start = ContinuousClock.now
    do {
      let model = try await LoadedModel(entry, configuration, logger: logger, metrics: metrics)
      records.withLock { $0[entry.key] = Record(loaded: model, tried: entry.fingerprint) }
      loads.increment()
      logger.notice(
        "Model loaded",
        metadata: [
          "file": "\(entry.path)", "milliseconds": "\((ContinuousClock.now - start).nanoseconds / 1_000_000)",
        ])
      FreedMemory.giveBack()
    } catch let error as CancellationError {
      throw error
    } catch {
      records.withLock { records in
        var record = records[entry.key] ?? Record()
        record.reason = ServingError(error).message
        record.tried = entry.fingerprint
        record.isUnloaded = false
        records[entry.key] = record
      }
      failedLoads.increment()
      logger.error("Model can't be loaded", metadata: ["file": "\(entry.path)", "error": "\(error)"])
      throw error
    }
  }

  /// Runs `body` when those before it have ended. It is cancelled with the calling task.
  private func exclusively(_ body: @escaping @Sendable () async throws -> Void) async throws {
    let task = last.withLock { last in
      let before = last
      let task = Task<Void, any Error> {
        await before?.value
        try await body()
      }
      last = Task { _ = await task.result }
      return task
    }
    try await withTaskCancellationHandler {
      try await task.value
    } onCancel: {
      task.cancel()
    }
  }
}

extension ModelKey: Comparable {
  static func < (left: ModelKey, right: ModelKey) -> Bool {
    guard left.name == right.name else { return left.name < right.name }
    // Numbers without leading zeros.
    return (left.version.count, left.version) < (right.version.count, right.version)
  }
}
#endif
