import Testing

@testable import RBNImage
