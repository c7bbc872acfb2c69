import RBNGraph

extension Reshape: RowMajorCopy {}
