import Testing

@testable import RBNGraph
