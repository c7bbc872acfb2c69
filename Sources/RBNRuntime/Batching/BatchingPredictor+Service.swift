public import ServiceLifecycle

extension BatchingPredictor: Service {
  /// Waits for graceful shutdown or cancellation; then refuses new requests and returns when the accepted ones have
  /// ended.
  ///
  /// Add the predictor to the `ServiceGroup` before the service that calls it: services end in reverse order.
  public func run() async throws {
    // It throws when the task is cancelled, which ends the wait as well.
    try? await gracefulShutdown()
    await shutdown()
  }
}
