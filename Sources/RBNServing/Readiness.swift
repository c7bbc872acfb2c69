#if Serving
import Synchronization

/// Whether the server takes requests, besides whether each of its models is there.
final class Readiness: Sendable {
  private struct State {
    var isLoaded = false
    var isDraining = false
  }

  private let state = Mutex(State())

  /// Why the server is not ready; nil when it is.
  var problem: String? {
    state.withLock { state in
      if state.isDraining { return "the server is shutting down" }
      return state.isLoaded ? nil : "the models are being loaded"
    }
  }

  /// The folder's models have been loaded, or found unfit.
  func setLoaded() { state.withLock { $0.isLoaded = true } }

  /// The server will stop. It never becomes ready again.
  func setDraining() { state.withLock { $0.isDraining = true } }
}
#endif
