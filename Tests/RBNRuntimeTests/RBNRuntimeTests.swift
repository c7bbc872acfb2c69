import Testing

@testable import RBNRuntime
