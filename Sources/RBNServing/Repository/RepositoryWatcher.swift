#if Serving
import Logging
import ServiceLifecycle

/// Follows the changes of the folder of models while the server runs.
struct RepositoryWatcher: Service {
  let repository: ModelRepository
  let interval: Duration
  let logger: Logger

  func run() async throws {
    try? await cancelWhenGracefulShutdown {
      while true {
        try await Task.sleep(for: interval)
        do {
          try await repository.poll()
        } catch let error where !(error is CancellationError) {
          logger.error("The folder of models can't be read", metadata: ["error": "\(error)"])
        }
      }
    }
  }
}
#endif
