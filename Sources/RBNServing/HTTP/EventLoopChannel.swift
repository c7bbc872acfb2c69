#if Serving
import HummingbirdCore
import Logging
import NIOCore

/// Connections whose tasks run on their own event loops.
///
/// Between the bytes that come and those that go there are a dozen switches between the connection and the task that serves
/// it. On Swift's cooperative threads each of them may wake a thread, which takes as long as a layer of a network; on the event
/// loop none does. What takes long has its place elsewhere all the same: see `CallQueue`.
struct EventLoopChannel<Base: ServerChildChannel>: ServerChildChannel {
  let base: Base

  func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Base.Value> {
    base.setup(channel: channel, logger: logger)
  }

  func handle(value: Base.Value, logger: Logger) async {
    await withTaskExecutorPreference(EventLoopExecutor(value.channel.eventLoop)) {
      await base.handle(value: value, logger: logger)
    }
  }
}

/// Runs the parts of tasks on an event loop.
private final class EventLoopExecutor: TaskExecutor {
  private let eventLoop: any EventLoop

  init(_ eventLoop: any EventLoop) { self.eventLoop = eventLoop }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    eventLoop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
  }
}
#endif
