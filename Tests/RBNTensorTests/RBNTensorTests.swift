import Testing

@testable import RBNTensor
