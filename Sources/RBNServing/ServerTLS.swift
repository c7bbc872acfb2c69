#if Serving
import Hummingbird
import HummingbirdCore
import RBNRuntime

#if TLS
import HummingbirdTLS
#endif

extension ServerConfiguration.TLS {
  /// A server that speaks TLS 1.2 or newer.
  ///
  /// - Throws: `serving.unusable-certificate` for files that can't be read, or don't belong to each other, and in a build
  ///   without the trait TLS.
  func server(over base: HTTPServerBuilder) throws -> HTTPServerBuilder {
    #if TLS
    do {
      let certificates = try NIOSSLCertificate.fromPEMFile(certificatePath)
      let key = try NIOSSLPrivateKey(file: keyPath, format: .pem)
      var configuration = TLSConfiguration.makeServerConfiguration(
        certificateChain: certificates.map { .certificate($0) }, privateKey: .privateKey(key))
      configuration.minimumTLSVersion = .tlsv12
      return try .tls(base, tlsConfiguration: configuration)
    } catch {
      throw RBNError(
        .unusableCertificate, .usage, file: certificatePath,
        "the certificate or its key \(keyPath) can't be used: \(error)",
        advice: "both must be PEM files, and belong to each other")
    }
    #else
    throw RBNError(
      .unusableCertificate, .usage, "this server was built without TLS",
      advice: "build it with --traits TLS, or put a proxy that speaks TLS before it")
    #endif
  }
}

extension RBNError.Code {
  /// A TLS certificate or key that can't be used.
  public static let unusableCertificate = Self("serving.unusable-certificate")
}
#endif
