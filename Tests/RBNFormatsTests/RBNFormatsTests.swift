import Testing

@testable import RBNFormats
