@_exported public import RBNTensor
