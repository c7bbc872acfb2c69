import RBNGraph

extension Identity: RowMajorCopy {}
