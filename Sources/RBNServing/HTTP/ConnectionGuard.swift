#if Serving
import HTTPTypes
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import RBNFormats

/// A request's body was not there in time. It ends the sequence of the body's parts.
struct SlowBody: Error {}

/// What a connection needs besides requests and answers: an answer in JSON to what is no HTTP, `100 Continue`, and an end
/// for clients that send too slowly or don't read.
final class ConnectionGuard: ChannelDuplexHandler, RemovableChannelHandler {
  typealias InboundIn = HTTPRequestPart
  typealias InboundOut = HTTPRequestPart
  typealias OutboundIn = HTTPResponsePart
  typealias OutboundOut = HTTPResponsePart

  private let bodyTime: TimeAmount
  private let writeTime: TimeAmount
  private var bodyTimeout: Scheduled<Void>?
  /// Requests whose answers have not been written.
  private var unanswered = 0
  private var isReadingRequest = false

  init(bodyTime: TimeAmount, writeTime: TimeAmount) {
    self.bodyTime = bodyTime
    self.writeTime = writeTime
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head):
      unanswered += 1
      isReadingRequest = true
      if unanswered == 1, head.headerFields[.expect]?.lowercased() == "100-continue" {
        context.writeAndFlush(wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
      }
    case .body: break
    case .end:
      isReadingRequest = false
      bodyTimeout?.cancel()
      bodyTimeout = nil
    }
    context.fireChannelRead(data)
  }

  /// Most requests are there whole by now, and need no timer.
  func channelReadComplete(context: ChannelHandlerContext) {
    if isReadingRequest, bodyTimeout == nil {
      let channel = context.channel
      bodyTimeout = context.eventLoop.scheduleTask(in: bodyTime) {
        channel.pipeline.fireErrorCaught(SlowBody())
      }
    }
    context.fireChannelReadComplete()
  }

  func channelInactive(context: ChannelHandlerContext) {
    bodyTimeout?.cancel()
    bodyTimeout = nil
    context.fireChannelInactive()
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    guard case .end = unwrapOutboundIn(data) else {
      context.write(data, promise: promise)
      return
    }
    unanswered -= 1
    let written = promise ?? context.eventLoop.makePromise(of: Void.self)
    let channel = context.channel
    let timeout = context.eventLoop.scheduleTask(in: writeTime) { channel.close(promise: nil) }
    written.futureResult.whenComplete { _ in timeout.cancel() }
    context.write(data, promise: written)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    switch error {
    case is ChannelError, is IOError, is SlowBody: context.fireErrorCaught(error)
    // An answer now would be taken for that of a request before.
    case _ where unanswered > (isReadingRequest ? 1 : 0): context.close(promise: nil)
    default: refuse(context, error)
    }
  }

  private func refuse(_ context: ChannelHandlerContext, _ error: any Error) {
    let isTooLong = (error as? HTTPParserError) == .headerOverflow
    let message = isTooLong ? "the request's headers are too long" : "this is not HTTP: \(error)"
    let body = ByteBuffer(string: JSONValue.object(JSONObject([("error", .string(message))])).text())
    var head = HTTPResponse(status: isTooLong ? .requestHeaderFieldsTooLarge : .badRequest)
    head.headerFields[.contentType] = "application/json"
    head.headerFields[.contentLength] = "\(body.readableBytes)"
    head.headerFields[.connection] = "close"
    context.write(wrapOutboundOut(.head(head)), promise: nil)
    context.write(wrapOutboundOut(.body(body)), promise: nil)
    let channel = context.channel
    context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in channel.close(promise: nil) }
  }
}
#endif
