@_exported public import RBNImage
@_exported public import RBNTensor
