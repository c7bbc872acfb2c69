#if Serving
import HTTPTypes
import Hummingbird
import NIOCore
import RBNFormats

extension Response {
  static func json(_ value: JSONValue, status: HTTPResponse.Status = .ok) -> Response {
    content(ByteBuffer(string: value.text()), type: "application/json", status: status)
  }

  static func content(_ body: ByteBuffer, type: String, status: HTTPResponse.Status = .ok) -> Response {
    var headers = HTTPFields()
    headers[.contentType] = type
    headers[.xContentTypeOptions] = "nosniff"
    return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: body))
  }
}
#endif
