import Testing

@testable import RBNExecution
